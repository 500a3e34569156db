"""Parsing in warm child processes that limits hold in, so that a hostile document harms nothing but its own child."""

import fcntl
import json
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from ingest.members import Members, read_members
from ingest.parse.members import UnpackLimits
from ingest.sandbox_child import LENGTH
from ingest.wire import load_parsed
from moat.errors import ParserCrashed, ParsingFailed
from moat.records import ParsedDocument
from moat.settings import SandboxSettings

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_PREFIX = "moat-parse-"
_YOUNG_S = 60
_OCR_SHARE = 0.8  # of the wall limit; what is left of it must do for the rest of the document
_HINT = "Split or simplify the document; if it is legitimate, raise {}."


class Sandbox:
    """Parses documents in children of its own; safe to call from several threads.

    What holds: address space, CPU and wall time, file size and output are limited by the kernel and by this process;
    the child has a scrubbed environment and a folder of its own, and dies with this process (Linux). The network is
    cut by a namespace without interfaces where the kernel permits one. Besides, Python code in the child is kept from
    sockets, programs other than the one its format needs, and changes outside the folder; that alone does not stop a
    parser's C code that was taken over, which could read what this user may read. Make the sandbox in the process that
    uses it, after any fork.
    """

    def __init__(self, settings: SandboxSettings, child_module: str = "ingest.sandbox_child") -> None:
        self._settings = settings
        self._module = child_module
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False
        # A child dies when the *thread* that started it ends: this one lives as long as the sandbox.
        _remove_left_folders()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox-starter")

    def parse(self, path: Path, media_type: str, name: str) -> ParsedDocument:
        """Parse one file; raises `ParsingFailed` for good and `ParserCrashed` when another try may help."""
        child = self._take()
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
        self._starter.shutdown(wait=False)

    def _take(self) -> "_Child":
        while True:
            with self._lock:
                if self._closed:
                    raise RuntimeError("This sandbox is closed.")
                child = self._idle.pop() if self._idle else None
            if child is None:
                return self._starter.submit(_Child, self._settings, self._module).result()
            if child.is_alive():
                return child
            child.kill()

    def _give_back(self, child: "_Child") -> None:
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


class _Child:
    """One child process with its folder, in a process group of its own."""

    def __init__(self, settings: SandboxSettings, module: str) -> None:
        self._settings = settings
        self.documents = 0
        self.idle_since = 0.0
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            self._errors = (self._folder / "stderr").open("w+b")
            fcntl.flock(self._errors, fcntl.LOCK_EX)  # held until this process and the child are both gone
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", module, _limits(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=self._folder,
                env=child_environment(self._folder),
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._requests = cast(IO[bytes], self._process.stdin)
        self._replies = cast(IO[bytes], self._process.stdout)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def parse(self, path: Path, media_type: str, name: str) -> ParsedDocument:
        """Hand one document over and wait for its elements, within the wall limit."""
        return load_parsed(self._ask({"path": str(path), "media_type": media_type, "name": name}, name))

    def unpack(self, path: Path, media_type: str, name: str, limits: UnpackLimits) -> Members:
        """Have a file's members written into the folder; what the child says of them is not trusted."""
        wanted = {"path": str(path), "media_type": media_type, "name": name, "unpack": asdict(limits)}
        return read_members(self._ask(wanted, name), self._folder, limits)

    def _ask(self, request: dict[str, Any], name: str) -> bytes:
        self.documents += 1
        deadline = time.monotonic() + self._settings.wall_s
        body = json.dumps(request).encode()
        try:
            self._requests.write(LENGTH.pack(len(body)) + body)
            self._requests.flush()
        except BrokenPipeError:
            raise self._death(name) from None
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline, name))
        if length > self._settings.max_output_bytes + 1:
            raise self._too_much(name)
        reply = self._read(length, deadline, name)
        if reply[:1] == b"+":
            return reply[1:]
        raise self._failure(json.loads(reply[1:]), name)

    def kill(self) -> None:
        """End the child and all it started, and remove its folder."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._replies, self._errors):
            with suppress(BrokenPipeError):  # closing flushes what the child never read
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, size: int, deadline: float, name: str) -> bytes:
        descriptor = self._replies.fileno()
        ready = select.poll()
        ready.register(descriptor, select.POLLIN | select.POLLHUP)
        data = bytearray()
        while len(data) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                raise ParsingFailed(
                    f"Reading {name!r} took longer than {self._settings.wall_s:g} seconds.",
                    _HINT.format("MOAT_SANDBOX__WALL_S"),
                )
            part = os.read(descriptor, min(size - len(data), 1 << 20))
            if not part:
                raise self._death(name)
            data += part
        return bytes(data)

    def _death(self, name: str) -> ParsingFailed | ParserCrashed:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            code = 0
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4000))
        log.warning("The parser of %r ended with %s: %s", name, code, self._errors.read().decode("utf-8", "replace"))
        if code == -signal.SIGXCPU:
            return ParsingFailed(
                f"Reading {name!r} took more than {self._settings.cpu_s} CPU seconds.",
                _HINT.format("MOAT_SANDBOX__CPU_S"),
            )
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with code {code}"
        return ParserCrashed(
            f"The parser of {name!r} {how}.",
            "It is tried again by itself; if it crashes each time, save the document in another format.",
        )

    def _failure(self, told: dict[str, str], name: str) -> ParsingFailed:
        log.info("Parsing %r failed (%s): %s", name, told["kind"], told["trace"])
        if told["kind"] == "memory":
            return ParsingFailed(
                f"Reading {name!r} needs more than {self._settings.memory_bytes // 1_000_000} MB of memory.",
                _HINT.format("MOAT_SANDBOX__MEMORY_BYTES"),
            )
        if told["kind"] == "output":
            return self._too_much(name)
        return ParsingFailed(told["detail"], told["hint"])

    def _too_much(self, name: str) -> ParsingFailed:
        return ParsingFailed(
            f"{name!r} gives more than {self._settings.max_output_bytes // 1_000_000} MB of text.",
            _HINT.format("MOAT_SANDBOX__MAX_OUTPUT_BYTES"),
        )


def _remove_left_folders() -> None:
    """Remove what a killed process left: folders whose lock nobody holds any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "stderr").open("r+b") as held:
            if time.time() - folder.stat().st_mtime > _YOUNG_S:  # a younger one may be about to be locked
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def _limits(settings: SandboxSettings) -> str:
    return json.dumps(
        {
            "parent": os.getpid(),
            "memory_bytes": settings.memory_bytes,
            "cpu_s": settings.cpu_s,
            "output_bytes": settings.max_output_bytes,
            "options": {
                "max_expansion": settings.max_expansion,
                "ocr_languages": settings.ocr_languages,
                "ocr_max_pages": settings.ocr_max_pages,
                "ocr_max_pixels": settings.ocr_max_pixels,
                "ocr_s": settings.wall_s * _OCR_SHARE,
            },
        }
    )


def child_environment(folder: Path) -> dict[str, str]:
    """Pass on only what a program needs to run: no keys, no settings."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    own = {
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, sys.path)]),
        "PYTHONSAFEPATH": "1",  # else the child would import from its folder
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "DO_NOT_TRACK": "1",
        "UNSTRUCTURED_DISABLE_NOTICE": "1",
        "HF_HUB_OFFLINE": "1",
        # Threads of the linear algebra that pandas brings would reserve most of the address space.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return kept | own
