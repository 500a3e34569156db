"""Originals and what was made of them, by the hash of their content."""

import errno
import gzip
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID, uuid4

from moat.errors import NotFound, StorageFull


class Blobs(Protocol):
    """Durable bytes by name: what `put` and `seal` return is on disk."""

    def stage(self) -> "Staged":
        """Open a new blob to write piece by piece; it exists only once sealed."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Store `data`, compressed, under `name`."""
        ...

    def get(self, name: str) -> bytes:
        """Read what `put` stored, or raise NotFound."""
        ...

    @contextmanager
    def local_file(self, name: str) -> Iterator[Path]:
        """Give a staged blob as a file on this machine."""
        ...

    def delete(self, name: str) -> None:
        """Remove a blob; one that is gone already is fine."""
        ...

    def delete_original(self, sha256: str) -> None:
        """Remove an original and everything that was made of it: parsed elements and vectors."""
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
    """A blob being written; leaving its context unsealed removes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "staging" / uuid4().hex
        self._hash = hashlib.sha256()
        self.size = 0
        with _disk_errors():
            self._file = self.path.open("xb")

    def write(self, data: bytes) -> None:
        with _disk_errors():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """End the writing: the file can be read by its path, and holds no descriptor while others arrive."""
        with _disk_errors():
            self._file.close()

    def discard(self) -> None:
        """Give the room back before the end."""
        with _disk_errors():
            self._file.truncate(0)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def seal(self) -> Sealed:
        """Sync the bytes and their folder, and give the blob its name."""
        sealed = Sealed(self.sha256, self.size)
        target = _path(self._folder, sealed.name)
        with _disk_errors():
            self._file.close()
            _sync(self.path)
            _make_folder(target.parent)
            self.path.replace(target)
            _sync(target.parent)
        return sealed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk fails the flush inside close, which closes all the same
            self._file.close()
        self.path.unlink(missing_ok=True)


class FolderBlobs:
    """Blobs in a folder of this machine or of a shared volume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _make_folder(folder / "staging")

    def stage(self) -> Staged:
        return Staged(self._folder)

    def put(self, name: str, data: bytes) -> None:
        target = _path(self._folder, name)
        temporary = self._folder / "staging" / uuid4().hex
        try:
            with _disk_errors():
                with temporary.open("xb") as file:
                    file.write(gzip.compress(data, compresslevel=5, mtime=0))
                    file.flush()
                    os.fsync(file.fileno())
                _make_folder(target.parent)
                temporary.replace(target)
                _sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def get(self, name: str) -> bytes:
        try:
            return gzip.decompress(_path(self._folder, name).read_bytes())
        except FileNotFoundError as error:
            raise NotFound(
                f"The blob {name} is missing.", "Restore the blobs from a backup, or upload the file again."
            ) from error

    @contextmanager
    def local_file(self, name: str) -> Iterator[Path]:
        path = _path(self._folder, name)
        if not path.is_file():
            raise NotFound(f"The blob {name} is missing.", "Restore the blobs from a backup, or upload the file again.")
        yield path

    def delete(self, name: str) -> None:
        _path(self._folder, name).unlink(missing_ok=True)

    def delete_original(self, sha256: str) -> None:
        """Remove an original and everything that was made of it: parsed elements and vectors."""
        _path(self._folder, original_name(sha256)).unlink(missing_ok=True)
        for kind in ("parsed", "vectors"):
            for made in (self._folder / kind / sha256[:2]).glob(f"{sha256}.*"):
                made.unlink(missing_ok=True)

    def clear_staging(self, untouched_for: timedelta) -> None:
        """Remove what processes that died were writing; every write to a live one makes it young again."""
        oldest = time.time() - untouched_for.total_seconds()
        for left in (self._folder / "staging").iterdir():
            with suppress(FileNotFoundError):  # another process clears too, or its writer ended just now
                if left.stat().st_mtime < oldest:
                    left.unlink()


def _path(folder: Path, name: str) -> Path:
    kind, _, rest = name.partition("/")
    return folder / kind / rest[:2] / rest


def _make_folder(folder: Path) -> None:
    """Make a folder whose own name is on disk too: a file in it would be lost with it otherwise."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with _disk_errors():
        folder.mkdir(exist_ok=True, mode=0o700)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The disk that holds the blobs is full.") from error
        raise
