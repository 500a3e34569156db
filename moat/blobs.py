"""Originals and what was made of them, by the hash of their content."""

import errno
import gzip
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID, uuid4

from moat.errors import NotFound, StorageFull, Unavailable

# What a process wrote to last so long ago is nobody's any more.
ABANDONED_AFTER = timedelta(hours=1)
# What is found by the hash of the original it was made of.
MADE_OF_ORIGINALS = ("parsed", "vectors")
_BUCKET = re.compile(r"(s3|memory)://[A-Za-z0-9][A-Za-z0-9._/-]*")
FOLDER_HINT = "Give the folder to the user that runs Moat (and mount it writable), or set MOAT_BLOBS to another one."


def check_place(place: str) -> str:
    """Let a folder's path or a bucket's address pass; raises ValueError for any other address."""
    if "://" in place and not _BUCKET.fullmatch(place):
        raise ValueError("this is neither a folder nor s3://BUCKET or s3://BUCKET/PREFIX.")
    return place


class Blobs(Protocol):
    """Durable bytes by name: what `put` and `seal` have stored survives a crash, and is never seen in part.

    Every method raises StorageFull where there is no room, and Unavailable where the store cannot be reached or used.
    """

    def stage(self) -> "Staged":
        """Open a new blob to write piece by piece; it exists only once sealed."""
        ...

    def put(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Store `data`, compressed, under `name`.

        What is not `durable` can be made again: after a power cut it may be missing or not be readable.
        """
        ...

    def get(self, name: str) -> bytes:
        """Read what `put` stored, or raise NotFound."""
        ...

    @contextmanager
    def local_file(self, name: str) -> Iterator[Path]:
        """Give a staged blob as a file on this machine, or raise NotFound; it is there until the block ends."""
        ...

    def delete(self, name: str) -> None:
        """Remove a blob; one that is gone already is fine."""
        ...

    def delete_original(self, sha256: str) -> None:
        """Remove an original and everything that was made of it: parsed elements and vectors."""
        ...

    def of_original(self, sha256: str) -> list[str]:
        """Name what is stored of an original: itself, and everything that was made of it."""
        ...

    def clear_staging(self, untouched_for: timedelta) -> None:
        """Remove what processes that died were writing; every write to a live one makes it young again."""
        ...

    def check(self) -> None:
        """Raise Unavailable, with what to mend, when nothing could be read or written now."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A stored original."""

    sha256: str
    size: int

    @property
    def name(self) -> str:
        return original_name(self.sha256)


def original_name(sha256: str) -> str:
    """Name the blob of an original file."""
    return f"originals/{sha256}"


def parsed_name(sha256: str, media_type: str, parser_version: str) -> str:
    """Name the blob of what a parser found in an original: the same bytes read as another kind differ."""
    return f"parsed/{sha256}.{media_type.replace('/', '-')}.{parser_version}"


def vectors_name(sha256: str, fingerprint: str) -> str:
    """Name the blob of the vectors that a pipeline made of an original."""
    return f"vectors/{sha256}.{fingerprint}"


def text_name(indexing_id: UUID) -> str:
    """Name the canonical text of an indexing whose row names none, as those of an older Moat do."""
    return f"texts/{indexing_id.hex}"


def shared_text_name(digest: str) -> str:
    """Name the blob of a canonical text, that the spans of one or more indexings count in."""
    return f"texts/{digest}"


class Staged:
    """A blob being written to a file of this machine; leaving its context unsealed removes it."""

    def __init__(self, folder: Path, keep: Callable[[Path, str], None]) -> None:
        self._keep = keep
        self.path = folder / uuid4().hex
        self._hash = hashlib.sha256()
        self.size = 0
        with disk_errors():
            self._file = self.path.open("xb")

    def write(self, data: bytes) -> None:
        with disk_errors():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """End the writing: the file can be read by its path, and holds no descriptor while others arrive."""
        with disk_errors():
            self._file.close()

    def discard(self) -> None:
        """Give the room back before the end."""
        with disk_errors():
            self._file.truncate(0)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def seal(self) -> Sealed:
        """Make the bytes durable under the blob's name."""
        sealed = Sealed(self.sha256, self.size)
        with disk_errors():
            self._file.close()
        self._keep(self.path, sealed.name)
        return sealed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk fails the flush inside close, which closes all the same
            self._file.close()
        self.path.unlink(missing_ok=True)


def placed(name: str) -> str:
    """Say where a blob lies below the root, in a folder and in a bucket alike."""
    kind, _, rest = name.partition("/")
    return f"{kind}/{rest[:2]}/{rest}"


def pack(data: bytes) -> bytes:
    """Compress what `put` stores; the same bytes give the same blob."""
    return gzip.compress(data, compresslevel=5, mtime=0)


def unpack(stored: bytes) -> bytes:
    """Read what `pack` wrote."""
    return gzip.decompress(stored)


def missing(name: str) -> NotFound:
    """Say that a blob is not there."""
    return NotFound(f"The blob {name} is missing.", "Restore the blobs from a backup, or upload the file again.")


def clear_folder(folder: Path, untouched_for: timedelta) -> None:
    """Remove the files of a folder that nobody wrote to for so long."""
    oldest = time.time() - untouched_for.total_seconds()
    for left in folder.iterdir():
        with suppress(FileNotFoundError):  # another process clears too, or its writer ended just now
            if left.stat().st_mtime < oldest:
                left.unlink()


@contextmanager
def disk_errors() -> Iterator[None]:
    """Say of this machine's disk what a person can mend; other faults stay as they are."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The disk that holds the blobs is full.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Unavailable("The folder of the blobs may not be written.", FOLDER_HINT, inside=error) from error
        raise


# A full disk does not keep anybody from removing a file, and a test that fills it must not pretend so.
removal_errors = disk_errors
