"""Starts processes in their order, restarts what dies, and stops everything within a bound."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cli.process import Guard, Mending, ProcessSpec, Running, bound_log
from moat.errors import MoatError, Unavailable

log = logging.getLogger(__name__)

POLL_S = 0.1
NOTICE_S = 0.5
BOUND_LOGS_EVERY_S = 5.0
QUICK_DEATHS = 5
# What still runs then is killed, so that all is over within 15 s whatever the processes' own patience.
STOP_WITHIN_S = 14.0

State = Literal["waiting", "starting", "ready", "died", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a dead process stays down: doubling, and forgotten once one has been up for a stable time."""

    first_s: float = 0.5
    most_s: float = 30.0
    stable_s: float = 60.0

    def wait_s(self, deaths: int) -> float:
        """Seconds to wait after so many deaths in a row, the first being 1."""
        return float(min(self.most_s, self.first_s * 2 ** min(deaths - 1, 30)))


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that befell a process; `detail` is for people and may have several lines."""

    name: str
    state: State
    pid: int | None
    address: str
    detail: str = ""


class _Child:
    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.running: Running | None = None
        self.ready = False
        self.was_ready = threading.Event()
        self.deaths = 0
        self.started_at = 0.0
        self.start_after = 0.0
        self.arguments: tuple[str, ...] = ()  # for the next start only
        self.last_words = ""
        self.stop_by: float | None = None  # set when it was told to stop


class Supervisor:
    """Owns the processes of one platform; one thread does all the work, so that no state needs a lock."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        report: Callable[[Happening], None] = lambda happening: None,
        backoff: Backoff | None = None,
    ) -> None:
        """`report` is called from the supervisor's thread; specs stand in the order of starting."""
        self._children = {spec.name: _Child(spec) for spec in specs}
        self._report = report
        self._backoff = backoff or Backoff()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._next_bound_at = 0.0

    def start(self) -> None:
        """Begin; `wait_ready` waits for the result."""
        self._thread.start()

    def wait_ready(self, timeout_s: float | None = None) -> bool:
        """Wait until every process has been ready once; False when it was stopped before.

        Raises Unavailable after `timeout_s`, naming the processes that are not ready with their last words.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._stop.is_set():
            missing = [child for child in self._children.values() if not child.was_ready.is_set()]
            if not missing:
                return True
            if deadline is not None and time.monotonic() > deadline:
                words = "\n".join(child.last_words for child in missing if child.last_words)
                names = ", ".join(child.spec.name for child in missing)
                raise Unavailable(
                    f"Not ready after {timeout_s:.0f} s: {names}.\n{words}".strip(),
                    f"Read {missing[0].spec.log}; 'moat doctor' says what is missing.",
                )
            missing[0].was_ready.wait(POLL_S)
        return False

    def wait(self) -> None:
        """Wait until everything has stopped; raises what went wrong inside the supervisor itself."""
        # Without a time limit the wait can sleep through a signal that another thread was interrupted by.
        while not self._stopped.wait(NOTICE_S):
            pass
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def request_stop(self) -> None:
        """Ask for the stop and return at once, as a signal handler must; a second time kills without waiting."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def stop(self) -> None:
        """Stop everything and wait until no process is left."""
        self._stop.set()
        if self._thread.ident is not None:
            self.wait()

    def pid(self, name: str) -> int | None:
        """The process's id, None while it is down."""
        running = self._children[name].running
        return None if running is None else running.pid

    def pids(self) -> dict[str, int]:
        """The ids of all that run now."""
        found = {name: self.pid(name) for name in self._children}
        return {name: pid for name, pid in found.items() if pid is not None}

    def _run(self) -> None:
        guard = Guard()
        try:
            while not self._stop.is_set():
                self._tick(guard)
                self._stop.wait(POLL_S)
        except BaseException as failure:  # noqa: BLE001 (wait() raises it, after the processes are stopped)
            self._failure = failure
        finally:
            self._stop.set()
            try:
                self._stop_all()
            finally:
                guard.close()  # kills what an error above left running
                self._stopped.set()

    def _tick(self, guard: Guard) -> None:
        guard.check()
        now = time.monotonic()
        for child in self._children.values():
            if child.running is None:
                if now >= child.start_after and self._may_start(child):
                    self._launch(child, guard, now)
            elif (exit_code := child.running.exit_code()) is not None:
                self._bury(child, child.running, exit_code, now)
            elif not child.ready:
                self._check_ready(child)
        if now >= self._next_bound_at:
            self._next_bound_at = now + BOUND_LOGS_EVERY_S
            for child in self._children.values():
                bound_log(child.spec.log)

    def _may_start(self, child: _Child) -> bool:
        return all(self._children[name].ready for name in child.spec.depends_on)

    def _launch(self, child: _Child, guard: Guard, now: float) -> None:
        arguments, child.arguments = child.arguments, ()
        try:
            child.running = Running(child.spec, guard, arguments)
        except OSError as error:
            self._count_death(child, f"could not be started: {error}", now)
            return
        child.started_at = now
        self._tell(child, "starting")

    def _check_ready(self, child: _Child) -> None:
        try:
            child.ready = child.spec.ready()
        except OSError:
            child.ready = False
        if child.ready:
            self._tell(child, "ready")  # before the others hear of it, so that its line stands first
            child.was_ready.set()

    def _bury(self, child: _Child, running: Running, exit_code: int, now: float) -> None:
        running.bury()
        tail = running.log_tail()
        child.running, child.ready = None, False
        if now - child.started_at >= self._backoff.stable_s:
            child.deaths = 0
        mending = self._mending(child, exit_code)
        if mending is not None:
            child.arguments = mending.arguments
            self._tell(child, "died", mending.message)
            return
        how = f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        self._count_death(child, f"{how}; its last lines:\n{tail}" if tail else how, now)

    def _mending(self, child: _Child, exit_code: int) -> Mending | None:
        try:
            return child.spec.mend(exit_code)
        except MoatError as error:
            log.warning("%s could not be mended: %s %s", child.spec.name, error.detail, error.hint)
            return None

    def _count_death(self, child: _Child, detail: str, now: float) -> None:
        child.deaths += 1
        wait_s = self._backoff.wait_s(child.deaths)
        child.start_after = now + wait_s
        child.last_words = f"{child.spec.name}: {detail}"
        text = f"{detail}\nstarting it again in {wait_s:.1f} s"
        if child.deaths >= QUICK_DEATHS:
            text += (
                f"\nIT HAS DIED {child.deaths} TIMES IN A ROW. Moat does not work until this is mended: "
                f"read {child.spec.log}, and run 'moat doctor'."
            )
        self._tell(child, "died", text)

    def _stop_all(self) -> None:
        give_up_at = time.monotonic() + STOP_WITHIN_S
        while left := [child for child in reversed(self._children.values()) if child.running is not None]:
            needed = {name for child in left for name in child.spec.depends_on}
            for child in left:
                if child.running is not None:
                    self._stop_one(child, child.running, child.spec.name in needed, give_up_at)
            time.sleep(POLL_S / 4)

    def _stop_one(self, child: _Child, running: Running, needed: bool, give_up_at: float) -> None:
        """Tell it to stop once nothing that needs it runs; bury it when it has stopped or had its time."""
        now = time.monotonic()
        has_ended = running.exit_code() is not None
        if child.stop_by is None and not needed and not has_ended:
            child.stop_by = now + child.spec.stop_timeout_s
            self._tell(child, "stopping")
            running.signal(child.spec.stop_signal)
        time_is_up = child.stop_by is not None and now >= child.stop_by
        if has_ended or time_is_up or now >= give_up_at or self._hurry.is_set():
            running.bury()
            child.running, child.ready = None, False
            self._tell(child, "stopped")

    def _tell(self, child: _Child, state: State, detail: str = "") -> None:
        self._report(Happening(child.spec.name, state, self.pid(child.spec.name), child.spec.address, detail))
