"""Parsing in warm child processes that limits hold in, so that a hostile document harms nothing but its own child."""

import fcntl
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from ingest.members import Members
from ingest.parse.members import UnpackLimits
from ingest.sandbox_child import UNCONFINED
from ingest.sandbox_process import FOLDER_PREFIX, Child, ForkServer
from moat.media import SUPPORTED
from moat.records import ParsedDocument
from moat.settings import SandboxSettings

_YOUNG_S = 60


class Sandbox:
    """Parses documents in children of its own; safe to call from several threads.

    What holds: address space, CPU and wall time, file size and output are limited by the kernel and by this process;
    the child has a scrubbed environment and a folder of its own, and dies with this process (Linux). The network is
    cut by a namespace without interfaces where the kernel permits one; Landlock, where the kernel has it, forbids
    changes outside the folder to all but LibreOffice. Besides, Python code in the child is kept from sockets, programs
    other than the one its format needs, and such changes; that alone does not stop a parser's C code that was taken
    over, which could also read what this user may read. Make the sandbox in the process that uses it, after any fork.
    """

    def __init__(self, settings: SandboxSettings, parsers: str = "ingest.parse") -> None:
        self._settings = settings
        self._server = ForkServer(parsers)
        self._idle: list[Child] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False
        _remove_left_folders()
        # The server dies when the *thread* that started it ends: this one lives as long as the sandbox.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox-starter")

    def warm_up(self) -> None:
        """Start what children are forked from, so that the first document does not wait for the parsers' imports."""
        self._starter.submit(self._server.start)

    def parse(self, path: Path, media_type: str, name: str) -> ParsedDocument:
        """Parse one file; raises `ParsingFailed` for good and `ParserCrashed` when another try may help."""
        fresh = SUPPORTED.get(media_type) in UNCONFINED  # a child that has read anything else is confined for good
        child = self._start() if fresh else self._take()
        try:
            parsed = child.parse(path.resolve(), media_type, name)
        except BaseException:
            child.kill()
            raise
        self._give_back(child)
        return parsed

    @contextmanager
    def unpack(self, path: Path, media_type: str, name: str, limits: UnpackLimits) -> Iterator[Members]:
        """Unpack the files inside a file into the child's folder; they are there until the block ends."""
        child = self._take()
        try:
            yield child.unpack(path.resolve(), media_type, name, limits)
        finally:
            child.kill()  # and its folder with it: a member is hostile input too

    def close(self) -> None:
        """Let every child go; a document still being parsed fails with `ParserCrashed`, so that it is tried again."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._timer:
                self._timer.cancel()
        for child in idle:
            child.kill()
        with suppress(RuntimeError):  # at the interpreter's end its threads are gone already, and the server with them
            self._starter.submit(self._server.close)
        self._starter.shutdown()

    def _take(self) -> "Child":
        while True:
            with self._lock:
                if self._closed:
                    raise RuntimeError("This sandbox is closed.")
                child = self._idle.pop() if self._idle else None
            if child is None:
                return self._start()
            if child.is_alive():
                return child
            child.kill()

    def _start(self) -> "Child":
        return self._starter.submit(Child, self._settings, self._server).result()

    def _give_back(self, child: "Child") -> None:
        with self._lock:
            if not self._closed and child.documents < self._settings.documents_per_child:
                child.idle_since = time.monotonic()
                self._idle.append(child)
                self._watch_idle()
                return
        child.kill()

    def _watch_idle(self) -> None:
        if self._timer is None and self._idle:
            self._timer = threading.Timer(self._settings.idle_s, self._let_idle_go)
            self._timer.daemon = True
            self._timer.start()

    def _let_idle_go(self) -> None:
        with self._lock:
            self._timer = None
            line = time.monotonic() - self._settings.idle_s + 0.01
            gone = [child for child in self._idle if child.idle_since <= line]
            self._idle = [child for child in self._idle if child.idle_since > line]
            self._watch_idle()
        for child in gone:
            child.kill()


def _remove_left_folders() -> None:
    """Remove what a killed process left: folders whose lock nobody holds any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError), (folder / "stderr").open("r+b") as held:
            if time.time() - folder.stat().st_mtime > _YOUNG_S:  # a younger one may be about to be locked
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
