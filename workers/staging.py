"""Files that a worker found itself, on their way to becoming documents."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moat.blobs import Staged
from moat.media import sniff
from workers.forget import delete_unshared
from workers.parts import Parts

_PIECE = 1 << 20
_HEAD = 8_192


@contextmanager
def staged_copy(source: Path, claimed: str, parts: Parts) -> Iterator[tuple[Staged, str]]:
    """Copy a file into staging and tell its media type; when the block fails, no blob is left that nobody names."""
    with parts.blobs.stage() as staged:
        head = b""
        with source.open("rb") as file:
            while piece := file.read(_PIECE):
                head = head or piece[:_HEAD]
                staged.write(piece)
        staged.finish()
        media_type = sniff(head, staged.path, claimed)
        try:
            yield staged, media_type
        except BaseException:
            delete_unshared(staged.sha256, parts)
            raise
