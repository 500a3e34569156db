"""The sandbox's side of a child: asking the fork server for one, handing documents over, knowing how it ended."""

import fcntl
import json
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ingest.fork_server import LONGEST_REQUEST
from ingest.members import Members, read_members
from ingest.parse.members import UnpackLimits
from ingest.sandbox_child import LENGTH
from ingest.wire import load_parsed
from moat.errors import ParserCrashed, ParsingFailed
from moat.records import ParsedDocument
from moat.settings import SandboxSettings

log = logging.getLogger(__name__)

FOLDER_PREFIX = "moat-parse-"
_ROOT = Path(__file__).resolve().parent.parent
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_OCR_SHARE = 0.8  # of the wall limit; what is left of it must do for the rest of the document
_HINT = "Split or simplify the document; if it is legitimate, raise {}."
_FORKED_WITHIN_S = 120  # the server imports every parser first
_ENDS_WITHIN_S = 5
_UNKNOWN_ENDING = -signal.SIGKILL  # the server was killed, and its children with it


class ForkServer:
    """Starts the process that children are forked from, again if it was killed; used by one thread alone."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self) -> socket.socket:
        """Have it running; it imports the parsers meanwhile."""
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self.close()
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ingest.fork_server", self._module, str(os.getpid())],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=child_environment(Path(tempfile.gettempdir())),
                start_new_session=True,
            )
        ours.settimeout(_FORKED_WITHIN_S)
        self._control = ours
        return ours

    def fork(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Ask for a child and give its number; raises `ParserCrashed` when there is none."""
        body = json.dumps(request).encode() + b"\n"
        try:
            control = self.start()
            socket.send_fds(control, [body], descriptors)
            reply = json.loads(control.recv(LONGEST_REQUEST) or b'{"error": "its server ended"}')
        except OSError as error:
            self.close()
            reply = {"error": str(error)}
        if "pid" not in reply:
            raise ParserCrashed(
                f"A process for the parser could not be started: {reply['error']}.",
                "It is tried again by itself; if it fails each time, see the worker's log and the machine's memory.",
            )
        return int(reply["pid"])

    def close(self) -> None:
        """End it; its children end with it."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


class Child:
    """One child process with its folder, in a process group of its own."""

    def __init__(self, settings: SandboxSettings, server: ForkServer) -> None:
        self._settings = settings
        self._ending: int | None = None
        self._asking = threading.Lock()
        self.documents = 0
        self.idle_since = 0.0
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        try:
            self._errors = (self._folder / "stderr").open("w+b")
            fcntl.flock(self._errors, fcntl.LOCK_EX)  # held until this process and the child are both gone
            its_requests, requests = os.pipe()
            replies, its_replies = os.pipe()
            ending, its_ending = os.pipe()
            self._requests, self._replies, self._awaited = os.fdopen(requests, "wb"), os.fdopen(replies, "rb"), ending
            given = [its_requests, its_replies, self._errors.fileno(), its_ending]
            try:
                self._pid = server.fork({"folder": str(self._folder), "limits": _limits(settings)}, given)
            except BaseException:
                self._close()
                raise
            finally:
                for descriptor in (its_requests, its_replies, its_ending):
                    os.close(descriptor)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def is_alive(self) -> bool:
        return self._ended_within(0) is None

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
        for end in (os.killpg, os.kill):  # it may not lead its group yet
            with suppress(ProcessLookupError):
                end(self._pid, signal.SIGKILL)
        self._ended_within(None)
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _close(self) -> None:
        os.close(self._awaited)  # from here on its number may be another's
        for pipe in (self._requests, self._replies, self._errors):
            with suppress(BrokenPipeError):  # closing flushes what the child never read
                pipe.close()

    def _ended_within(self, seconds: float | None) -> int | None:
        """Give its exit code, or the signal that ended it as a negative number; None while it lives."""
        with self._asking:
            if self._ending is None:
                ended = select.poll()
                ended.register(self._awaited, select.POLLIN)
                if ended.poll(None if seconds is None else seconds * 1000):
                    self._ending = int(os.read(self._awaited, 64) or _UNKNOWN_ENDING)
            return self._ending

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
        code = self._ended_within(5) or 0  # 0: it closed its pipe and lives on
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


def _limits(settings: SandboxSettings) -> dict[str, Any]:
    return {
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
