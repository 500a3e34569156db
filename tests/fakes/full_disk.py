"""A disk without room for another blob."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import moat.blobs


class FullDisk:
    """Makes a write of a blob fail while `full` says so: before its first byte, or after its last on the way to disk."""

    def __init__(self, full: Callable[[], bool]) -> None:
        self._full = full

    def install(self, put: Callable[[Any, str, Any], None] = setattr) -> None:
        """Stand between the blobs and the disk; `put` is a monkeypatch's setattr where the process goes on."""
        plain = moat.blobs._disk_errors

        @contextmanager
        def disk_errors() -> Iterator[None]:
            with plain():
                self._write()
                yield

        put(moat.blobs, "_disk_errors", disk_errors)
        put(moat.blobs, "os", _Os(self._write))

    def _write(self) -> None:
        if self._full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Os:
    """The module `os` with a sync that may fail."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write

    def fsync(self, descriptor: int) -> None:
        self._write()
        os.fsync(descriptor)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
