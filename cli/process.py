"""One supervised process: its group, its log, and the guard that survives the supervisor."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOG_BYTES = 10_000_000
_TAIL_BYTES = 8_000


@dataclass(frozen=True, slots=True)
class Mending:
    """What was done about a death, and what the next start is told."""

    message: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to run one process; it starts when every one it depends on is ready."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    address: str = ""
    depends_on: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 3.0
    prepare: Callable[[], None] = lambda: None  # runs before every start
    mend: Callable[[int], Mending | None] = lambda exit_code: None  # may know a cure for an exit code


class Guard:
    """Tells the guard process which groups must not outlive this one."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process = self._start()

    def add(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def check(self) -> None:
        """Start another guard when this one was killed."""
        if self._process.poll() is not None:
            self._close_pipe()
            self._process = self._start()
            for group in self._groups:
                self._tell(f"+{group}\n")

    def close(self) -> None:
        """Let the guard go; it kills the groups that were not removed."""
        self._close_pipe()
        self._process.wait()

    @staticmethod
    def _start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # check() starts another and tells it everything
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _close_pipe(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


class Running:
    """A started process, leader of a session of its own so that its group can be killed whole."""

    def __init__(self, spec: ProcessSpec, guard: Guard, arguments: Sequence[str] = ()) -> None:
        """Start it; raises OSError when it cannot be."""
        spec.prepare()
        bound_log(spec.log)
        self._spec = spec
        self._guard = guard
        with open(spec.log, "ab", opener=_private) as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*spec.argv, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **spec.environment},
                start_new_session=True,
                umask=0o077,
            )
        self.pid = self._process.pid
        guard.add(self.pid)

    def exit_code(self) -> int | None:
        """None while it runs; minus the number of the signal that killed it."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Tell the process, not its children: it stops those in its own order."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def bury(self) -> None:
        """Kill what is left of the group, the process itself included."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of zombies
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._guard.remove(self.pid)

    def log_tail(self, lines: int = 10) -> str:
        """Give the last lines that this run of it wrote."""
        with self._spec.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            start = self._log_start if size >= self._log_start else 0  # the log was cut meanwhile
            log.seek(max(start, size - _TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def bound_log(path: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Move a log that has grown past the limit aside as `.1`, also under a process that goes on writing to it."""
    if path.exists() and path.stat().st_size > limit_bytes:
        shutil.copy2(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)  # the writer appends, so it goes on at the new end


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
