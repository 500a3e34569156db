"""Blobs in a folder of this machine or of a shared volume."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from moat.blobs import (
    FOLDER_HINT,
    MADE_OF_ORIGINALS,
    Staged,
    clear_folder,
    disk_errors,
    missing,
    original_name,
    pack,
    placed,
    removal_errors,
    unpack,
)
from moat.errors import Unavailable


class FolderBlobs:
    """Each blob is a file below the folder, which gets its name when it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staging = folder / "staging"
        _make_folder(self._staging)

    def stage(self) -> Staged:
        return Staged(self._staging, self._keep)

    def put(self, name: str, data: bytes, *, durable: bool = True) -> None:
        temporary = self._staging / uuid4().hex
        try:
            with disk_errors():
                temporary.write_bytes(pack(data))
            self._keep(temporary, name, durable)
        finally:
            temporary.unlink(missing_ok=True)

    def get(self, name: str) -> bytes:
        try:
            with disk_errors():
                return unpack(self._path(name).read_bytes())
        except FileNotFoundError as error:
            raise missing(name) from error

    @contextmanager
    def local_file(self, name: str) -> Iterator[Path]:
        path = self._path(name)
        if not path.is_file():
            raise missing(name)
        yield path

    def delete(self, name: str) -> None:
        with removal_errors():
            self._path(name).unlink(missing_ok=True)

    def delete_original(self, sha256: str) -> None:
        """Remove an original and everything that was made of it: parsed elements and vectors."""
        for name in self.of_original(sha256):
            self.delete(name)

    def of_original(self, sha256: str) -> list[str]:
        name = original_name(sha256)
        found = [name] if self._path(name).is_file() else []
        for kind in MADE_OF_ORIGINALS:
            found += [f"{kind}/{made.name}" for made in (self._folder / kind / sha256[:2]).glob(f"{sha256}.*")]
        return found

    def clear_staging(self, untouched_for: timedelta) -> None:
        clear_folder(self._staging, untouched_for)

    def check(self) -> None:
        if not os.access(self._staging, os.R_OK | os.W_OK | os.X_OK):
            raise Unavailable(
                "The folder of the blobs is gone or may not be written.", FOLDER_HINT, inside=self._folder
            )

    def _path(self, name: str) -> Path:
        return self._folder / placed(name)

    def _keep(self, file: Path, name: str, durable: bool = True) -> None:
        """Give a file its name, and sync it and its folder where it has to last."""
        target = self._path(name)
        with disk_errors():
            if durable:
                _sync(file)
            _make_folder(target.parent)
            file.replace(target)
            if durable:
                _sync(target.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder whose own name is on disk too: a file in it would be lost with it otherwise."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with disk_errors():
        folder.mkdir(exist_ok=True, mode=0o700)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
