"""A disk without room for another blob."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moat import blobs, folder_blobs


class FullDisk:
    """Makes writes of blobs fail, before their first byte or after their last on the way to the disk.

    `full_from` gives the number of the write, from 1, from which on there is no room; None while there is.
    """

    def __init__(self, full_from: Callable[[], int | None]) -> None:
        self._full_from = full_from
        self.writes = 0

    def install(self, put: Callable[[Any, str, Any], None] = setattr) -> None:
        """Stand between the blobs and the disk; `put` is a monkeypatch's setattr where the process goes on."""
        plain = blobs.disk_errors

        @contextmanager
        def disk_errors() -> Iterator[None]:
            with plain():
                self._write()
                yield

        for module in (blobs, folder_blobs):
            put(module, "disk_errors", disk_errors)
        put(folder_blobs, "os", _Os(self._write))

    def _write(self) -> None:
        full_from = self._full_from()
        self.writes = 0 if full_from is None else self.writes + 1
        if full_from is not None and self.writes >= full_from:
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
