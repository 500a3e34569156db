"""Vectors outlive the index: one pack for an original and a pipeline, shared by exact copies, versions and rebuilds."""

import logging
import zlib
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from ingest.pack import Kept, dump_pack, load_pack
from moat.blobs import Blobs, vectors_name
from moat.database import Database
from moat.documents import LIVE_GENERATIONS
from moat.errors import NotFound
from moat.tables import Generation, Indexing, Version

log = logging.getLogger(__name__)

# Where to look for vectors beside the pack of the very same original and pipeline: newest first.
PACKS_LOOKED_AT = 6


class KeptVectors:
    """What one indexing needs: vectors found in packs at first, and those made since."""

    def __init__(self, sha256: str, fingerprint: str, blobs: Blobs) -> None:
        self.name = vectors_name(sha256, fingerprint)
        self._blobs = blobs
        self.vectors = _load(self.name, blobs)
        self._saved = len(self.vectors)

    @property
    def unsaved(self) -> int:
        """Count the vectors that the pack does not hold yet."""
        return len(self.vectors) - self._saved

    def look_around(self, wanted: Iterable[bytes], sha256: str, document_id: UUID, database: Database) -> None:
        """Look for what is missing in the packs of other pipelines and of this document's other versions."""
        missing = set(wanted) - self.vectors.keys()
        if not missing:
            return
        for name in _packs_around(sha256, document_id, database):
            if name == self.name:
                continue
            found = _load(name, self._blobs)
            self.vectors.update((key, found[key]) for key in missing & found.keys())
            missing -= found.keys()
            if not missing:
                return

    def save(self) -> None:
        """Write the pack, if there is anything new in it; call it under the claim."""
        if self.unsaved:
            self._blobs.put(self.name, dump_pack(self.vectors), durable=False)
            self._saved = len(self.vectors)


def unneeded_packs(session: Session, generation: Generation) -> list[str]:
    """Name the packs that only this generation's documents need."""
    other_indexing, other_version, other = aliased(Indexing), aliased(Version), aliased(Generation)
    needed = (
        exists()
        .where(other_version.sha256 == Version.sha256)
        .where(other_indexing.document_id == other_version.document_id)
        .where(other_indexing.version == other_version.number)
        .where(other.id == other_indexing.generation_id, other.id != generation.id)
        .where(other.fingerprint == generation.fingerprint, other.state.in_(LIVE_GENERATIONS))
    )
    hashes = session.scalars(
        select(Version.sha256)
        .join(Indexing, (Indexing.document_id == Version.document_id) & (Indexing.version == Version.number))
        .where(Indexing.generation_id == generation.id, ~needed)
        .distinct()
    )
    return [vectors_name(sha256, generation.fingerprint) for sha256 in hashes]


def _packs_around(sha256: str, document_id: UUID, database: Database) -> list[str]:
    with database.reading() as session:
        rows = session.execute(
            select(Version.sha256, Generation.fingerprint)
            .join(Indexing, (Indexing.document_id == Version.document_id) & (Indexing.version == Version.number))
            .join(Generation, Generation.id == Indexing.generation_id)
            .where(or_(Version.document_id == document_id, Version.sha256 == sha256))
            .group_by(Version.sha256, Generation.fingerprint)
            .order_by(func.max(Indexing.created_at).desc())
            .limit(PACKS_LOOKED_AT)
        ).all()
    return [vectors_name(*row) for row in rows]


def _load(name: str, blobs: Blobs) -> dict[bytes, Kept]:
    try:
        return load_pack(blobs.get(name))
    except NotFound:
        return {}
    except (ValueError, EOFError, OSError, zlib.error) as error:
        # A pack only saves work: what cannot be read of it is made again and written over it.
        log.warning("the vectors in %s cannot be read and are made again: %s", name, error)
        return {}
