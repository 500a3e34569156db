"""The folder of an embedded platform: who runs it, its secrets, and what is running now."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from moat.errors import Conflict
from moat.private import write_private

_LOCK_WAIT_S = 1.0  # a reader's glance at the lock is over long before


@dataclass(frozen=True, slots=True)
class RunningState:
    """What runs on a home, as its supervisor wrote it."""

    url: str
    port: int
    pid: int
    started_at: str
    qdrant_port: int  # free ports, found anew at every start
    broker_port: int  # used only where the socket's path would be too long
    certificate: str = ""  # the file that the API's TLS shows; empty without TLS
    processes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Home:
    """Paths inside a home."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def qdrant(self) -> Path:
        return self.folder / "qdrant"

    @property
    def key_file(self) -> Path:
        return self.folder / "admin.key"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def worker_ready(self) -> Path:
        return self.run / "worker.ready"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Make the folders, for the owner's eyes only; raises Conflict where they cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in ("run", "secrets", "logs"):
                (self.folder / name).mkdir(exist_ok=True)
                (self.folder / name).chmod(0o700)
        except OSError as error:
            hint = "Own that folder, or choose another with --home or MOAT_HOME."
            raise Conflict(f"The home {self.folder} cannot be made: {error.strerror or error}.", hint) from error

    def secret(self, name: str) -> str:
        """Give the home's own secret of that name, made at first need."""
        path = self.folder / "secrets" / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")
        return path.read_text(encoding="utf-8").strip()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the home for this process alone, or raise Conflict naming the process that has it."""
        with (self.run / "moat.lock").open("a") as lock:
            deadline = time.monotonic() + _LOCK_WAIT_S
            while not _lock(lock.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise self._taken()
                time.sleep(0.05)
            self.state_file.unlink(missing_ok=True)  # a killed supervisor's
            try:
                yield
            finally:
                self.state_file.unlink(missing_ok=True)

    def running(self) -> RunningState | None:
        """Tell what runs on this home now; None when nothing does."""
        try:
            with (self.run / "moat.lock").open("r") as lock:
                if _lock(lock.fileno(), fcntl.LOCK_SH):
                    return None
            return RunningState(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, PermissionError):
            return None

    def write_state(self, state: RunningState) -> None:
        """Tell the command line beside it what runs."""
        write_private(self.state_file, json.dumps(asdict(state), indent=1) + "\n")

    def _taken(self) -> Conflict:
        state = self.running()
        who = f"process {state.pid} at {state.url}" if state else "a process that is starting or stopping"
        return Conflict(
            f"Moat runs on {self.folder} already: {who}.", "Use that one, stop it first, or give --home another folder."
        )


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def mode_of(path: Path) -> int:
    """Give the permission bits of a file."""
    return os.stat(path).st_mode & 0o777  # noqa: PTH116
