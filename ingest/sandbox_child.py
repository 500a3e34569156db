"""What a forked child does: it confines itself, then answers one document after another on a pipe."""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ingest.landlock import confine
from ingest.parse.options import Options
from ingest.parse.programs import program_of
from moat.errors import ParsingFailed
from moat.media import SUPPORTED
from moat.records import ParsedDocument

Parse = Callable[[Path, str, str, Options], ParsedDocument]

LENGTH = struct.Struct(">Q")
UNCONFINED = ("legacy",)  # LibreOffice will have its socket in /tmp, whatever it is told; it removes it when it ends
_NEARLY = 0.9  # of the memory limit: so much reached, and failed, is taken for failing by it
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.spawn")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = frozenset(
    {
        *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink"),
        *("os.truncate", "os.utime", "shutil.rmtree", "shutil.move"),
    }
)


def serve(parse: Parse, limits: dict[str, Any]) -> None:
    """Answer documents until the sandbox closes the pipe."""
    requests, replies = private_pipes()
    cut_network()
    _limit(limits)
    guard = Guard(Path.cwd())
    sys.addaudithook(guard)
    is_confined = False
    while (request := _receive(requests)) is not None:
        _allow_cpu(limits["cpu_s"])
        family = SUPPORTED.get(request["media_type"], "")
        guard.program = program_of(family)
        if not is_confined and family not in UNCONFINED:
            with suppress(OSError):  # a container may forbid the call; the guard holds for Python's own code
                confine(Path.cwd())
            is_confined = True
        reply = _answer(parse, request, limits)
        replies.write(LENGTH.pack(len(reply)) + reply)
        replies.flush()


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes away from stdin and stdout, so that a library that prints cannot break the protocol."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, replies


def follow_parent(parent: int) -> None:
    """Die with the parent, even when it is killed while a document is being parsed (Linux)."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def cut_network() -> None:
    """Enter a network namespace without any interface, where the kernel permits it."""
    if sys.platform == "linux":
        unshare = ctypes.CDLL(None, use_errno=True).unshare
        if unshare(_CLONE_NEWNET) != 0:
            unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _limit(limits: dict[str, Any]) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["output_bytes"],) * 2)
    if sys.platform == "linux":  # macOS refuses it
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)


def _allow_cpu(seconds: int) -> None:
    """Give the next document its own CPU seconds: the limit counts from the process's beginning."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


class Guard:
    """Refuses sockets, programs but the one that the format needs, and changes outside the folders (in Python)."""

    def __init__(self, *folders: Path) -> None:
        self.program = ""
        self._allowed = (*(str(folder) + os.sep for folder in folders), os.devnull)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            if args[2] & _WRITING:
                self._must_be_inside(args[0])
        elif event == "subprocess.Popen" and self.program and args[0] == self.program:
            return
        elif event.startswith(_FORBIDDEN):
            raise PermissionError(f"{event} is not allowed while parsing")
        elif event in _CHANGING:
            self._must_be_inside(args[0])

    def _must_be_inside(self, path: object) -> None:
        if isinstance(path, int):
            return  # a descriptor that is open already
        place = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if not (place + os.sep).startswith(self._allowed):
            raise PermissionError(f"Changing {place} is not allowed while parsing")


def _receive(requests: BinaryIO) -> dict[str, Any] | None:
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    found: dict[str, Any] = json.loads(requests.read(LENGTH.unpack(head)[0]))
    return found


def _answer(parse: Parse, request: dict[str, Any], limits: dict[str, Any]) -> bytes:
    """Parse one document; the first byte of the reply tells a result from a failure."""
    name = request["name"]
    peak = _peak_bytes()
    try:
        if "unpack" in request:
            return b"+" + _unpacked(request)
        from ingest.wire import dump_parsed

        parsed = dump_parsed(parse(Path(request["path"]), request["media_type"], name, Options(**limits["options"])))
        if len(parsed) > limits["output_bytes"]:
            return _failure("output", f"{len(parsed)} bytes")
        return b"+" + parsed
    except ParsingFailed as failed:
        return _failure("failed", traceback.format_exc(), failed.detail, failed.hint)
    except MemoryError:
        return _failure("memory", "MemoryError")
    except RecursionError:
        return _failure(
            "failed", "RecursionError", f"{name!r} is nested too deeply to be read.", "Simplify it and send it again."
        )
    except Exception:  # noqa: BLE001  # a process's edge: whatever a parser raises is the document's failure
        if peak < _peak_bytes() >= limits["memory_bytes"] * _NEARLY:
            return _failure("memory", traceback.format_exc())  # C code that got no more says so in its own words
        return _failure(
            "failed",
            traceback.format_exc(),
            f"{name!r} is damaged or built in a way that cannot be read.",
            "Open it with its program, save it again, and send the new file; the worker's log has the details.",
        )


def _peak_bytes() -> int:
    """Give the most address space that this process has had, 0 where the system does not say."""
    try:
        with Path("/proc/self/status").open(encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmPeak:")), 0)
    except OSError:
        return 0


def _unpacked(request: dict[str, Any]) -> bytes:
    from ingest.parse.members import UnpackLimits, unpack

    limits = UnpackLimits(**request["unpack"])
    found = unpack(Path(request["path"]), request["media_type"], request["name"], Path.cwd(), limits)
    return json.dumps(found.to_wire()).encode()


def _failure(kind: str, trace: str, detail: str = "", hint: str = "") -> bytes:
    return b"-" + json.dumps({"kind": kind, "detail": detail, "hint": hint, "trace": trace[-8000:]}).encode()
