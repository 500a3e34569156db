"""What the supervisor promises, shown with processes of a few lines."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.process import Mending, ProcessSpec, bound_log
from cli.supervisor import QUICK_DEATHS, Backoff, Happening, Supervisor
from moat.errors import Unavailable

QUICKLY = Backoff(first_s=0.05, most_s=0.2, stable_s=60)
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def started() -> Iterator[Callable[..., Supervisor]]:
    """Starts supervisors that are stopped at the end, whatever happens."""
    made: list[Supervisor] = []

    def start(*specs: ProcessSpec, **options: object) -> Supervisor:
        supervisor = Supervisor(specs, **{"backoff": QUICKLY, **options})  # type: ignore[arg-type]
        made.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in made:
        supervisor.stop()


def script(folder: Path, name: str, code: str, *arguments: str, **options: object) -> ProcessSpec:
    argv = (sys.executable, "-c", textwrap.dedent(code), *arguments)
    return ProcessSpec(name, argv, folder / f"{name}.log", **options)  # type: ignore[arg-type]


def eventually(what: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_process_starts_only_when_those_it_depends_on_are_ready(tmp_path, started):
    gate = tmp_path / "gate"
    first = script(tmp_path, "first", SLEEP, ready=gate.exists)
    second = script(tmp_path, "second", SLEEP, depends_on=("first",))
    supervisor = started(first, second)
    eventually(lambda: supervisor.pid("first"))
    with pytest.raises(Unavailable, match="first, second"):
        supervisor.wait_ready(timeout_s=0.5)
    assert supervisor.pid("second") is None
    gate.touch()
    assert supervisor.wait_ready(timeout_s=10)
    assert supervisor.pid("second") is not None


def test_a_killed_process_is_started_again(tmp_path, started):
    supervisor = started(script(tmp_path, "one", SLEEP))
    supervisor.wait_ready(10)
    old = supervisor.pid("one")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: supervisor.pid("one") not in (None, old))
    assert not alive(old)


def test_the_wait_before_a_restart_doubles_up_to_a_bound():
    waits = [Backoff().wait_s(deaths) for deaths in range(1, 9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert Backoff().wait_s(10_000) == 30


def test_deaths_in_a_row_are_told_with_the_last_lines_and_then_loudly(tmp_path, started):
    told: list[Happening] = []
    dying = script(tmp_path, "dying", "print('the reason', flush=True); raise SystemExit(3)", ready=lambda: False)
    supervisor = started(dying, report=told.append)

    def deaths() -> list[str]:
        return [happening.detail for happening in told if happening.state == "died"]

    eventually(lambda: len(deaths()) >= QUICK_DEATHS)
    assert "exit code 3" in deaths()[0]
    assert "the reason" in deaths()[0]
    assert deaths()[0].count("the reason") == deaths()[3].count("the reason") == 1  # the lines of that run alone
    assert "0.1 s" in deaths()[1]  # 0.05 doubled
    assert "DIED" not in deaths()[QUICK_DEATHS - 2]
    assert f"DIED {QUICK_DEATHS} TIMES" in deaths()[QUICK_DEATHS - 1]
    with pytest.raises(Unavailable, match="the reason"):
        supervisor.wait_ready(timeout_s=0.1)


def test_a_stable_time_forgets_the_deaths_before(tmp_path, started):
    told: list[Happening] = []
    backoff = Backoff(first_s=0.01, most_s=10, stable_s=0.2)
    started(script(tmp_path, "one", "import time; time.sleep(0.4)"), report=told.append, backoff=backoff)
    eventually(lambda: sum(h.state == "died" for h in told) >= 3, 20)
    assert all("0.0 s" in h.detail for h in told if h.state == "died")


def test_a_program_that_does_not_exist_is_a_death_like_any_other(tmp_path, started):
    told: list[Happening] = []
    started(ProcessSpec("absent", ("/nowhere/at/all",), tmp_path / "log"), report=told.append)
    eventually(lambda: sum(h.state == "died" for h in told) >= 2)
    assert "could not be started" in told[0].detail


PARENT = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(sys.argv[1], "w").write(str(child.pid))
    time.sleep(60)
"""


def test_children_of_a_dead_process_die_before_it_is_started_again(tmp_path, started):
    pids = tmp_path / "grandchild"
    supervisor = started(script(tmp_path, "parent", PARENT, str(pids)))
    eventually(lambda: pids.exists() and pids.read_text())
    grandchild, parent = int(pids.read_text()), supervisor.pid("parent")
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: supervisor.pid("parent") not in (None, parent))
    eventually(lambda: not alive(grandchild), 1)


def test_a_mended_process_starts_at_once_with_what_the_cure_says(tmp_path, started):
    told: list[Happening] = []
    code = """
        import sys, time
        if "--reset" not in sys.argv: raise SystemExit(65)
        time.sleep(60)
    """
    mend = {65: Mending("the folder is emptied", ("--reset",))}.get
    sick = script(tmp_path, "sick", code, mend=mend)
    supervisor = started(sick, report=told.append, backoff=Backoff(first_s=60, most_s=60))
    eventually(lambda: any(h.state == "died" for h in told))
    eventually(lambda: told[-1].state == "ready")
    assert [h.detail for h in told if h.state == "died"] == ["the folder is emptied"]
    assert "--reset" in psutil.Process(supervisor.pid("sick")).cmdline()


NOTES_ITS_END = """
    import signal, sys, time
    def end(*_):
        open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
        raise SystemExit
    signal.signal(signal.SIGTERM, end)
    open(sys.argv[3], "w").close()
    time.sleep(60)
"""


def test_a_process_stops_only_when_nothing_that_needs_it_runs(tmp_path, started):
    specs = []
    for name, needs in (("valkey", ()), ("edge", ("valkey",)), ("worker", ("edge",)), ("api", ("edge", "worker"))):
        ready = tmp_path / f"{name}.ready"
        arguments = (str(tmp_path / "ends"), name, str(ready))
        specs.append(script(tmp_path, name, NOTES_ITS_END, *arguments, ready=ready.exists, depends_on=needs))
    supervisor = started(*specs)
    supervisor.wait_ready(10)
    pids = supervisor.pids()
    supervisor.stop()
    assert (tmp_path / "ends").read_text().split() == ["api", "worker", "edge", "valkey"]
    assert not any(alive(pid) for pid in pids.values())
    assert supervisor.pids() == {}


STUBBORN = """
    import signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").close()
    time.sleep(60)
"""


def stubborn(folder: Path, name: str, stop_timeout_s: float) -> ProcessSpec:
    ready = folder / f"{name}.ready"
    return script(folder, name, STUBBORN, str(ready), ready=ready.exists, stop_timeout_s=stop_timeout_s)


def test_processes_that_ignore_the_signal_are_killed_within_the_bound(tmp_path, started, monkeypatch):
    monkeypatch.setattr("cli.supervisor.STOP_WITHIN_S", 1.0)
    supervisor = started(stubborn(tmp_path, "one", 0.7), stubborn(tmp_path, "two", 60))
    supervisor.wait_ready(10)
    pids = supervisor.pids()
    before = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - before < 2.5
    assert not any(alive(pid) for pid in pids.values())


def test_a_second_request_to_stop_kills_without_waiting(tmp_path, started):
    supervisor = started(stubborn(tmp_path, "one", 60))
    supervisor.wait_ready(10)
    pid = supervisor.pid("one")
    supervisor.request_stop()
    supervisor.request_stop()
    waiting = threading.Thread(target=supervisor.wait)
    waiting.start()
    waiting.join(5)
    assert not waiting.is_alive()
    assert not alive(pid)


SUPERVISING = """
    import sys
    from pathlib import Path
    from cli.process import ProcessSpec
    from cli.supervisor import Supervisor
    folder = Path(sys.argv[1])
    argv = (sys.executable, "-c", sys.argv[2], str(folder / "grandchild"))
    supervisor = Supervisor([ProcessSpec("one", argv, folder / "log")])
    supervisor.start()
    supervisor.wait_ready(10)
    print(supervisor.pid("one"), flush=True)
    supervisor.wait()
"""


def test_a_supervisor_killed_with_sigkill_leaves_nothing_behind(tmp_path):
    argv = [sys.executable, "-c", textwrap.dedent(SUPERVISING), str(tmp_path), textwrap.dedent(PARENT)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        grandchild = tmp_path / "grandchild"
        eventually(lambda: grandchild.exists() and grandchild.read_text())
        left = [child, int(grandchild.read_text()), *(p.pid for p in psutil.Process(process.pid).children())]
        assert len(set(left)) == 3  # the guard is one of them
        assert all(alive(pid) for pid in left)
        process.kill()
    eventually(lambda: not any(alive(pid) for pid in left), 5)


def test_a_killed_guard_is_replaced(tmp_path, started):
    supervisor = started(script(tmp_path, "one", SLEEP))
    supervisor.wait_ready(10)
    guards = [p for p in psutil.Process().children() if any("guard.py" in part for part in p.cmdline())]
    assert guards
    for guard in guards:
        guard.kill()

    def replaced() -> bool:
        now = [p for p in psutil.Process().children() if alive(p.pid) and "guard.py" in " ".join(p.cmdline())]
        return bool(now) and not {p.pid for p in now} & {p.pid for p in guards}

    eventually(replaced)
    assert supervisor.pid("one")


def test_an_error_in_the_supervisor_stops_everything_and_is_raised(tmp_path, started):
    def broken() -> bool:
        raise RuntimeError("a bug")

    supervisor = Supervisor([script(tmp_path, "one", SLEEP, ready=broken)])
    supervisor.start()
    with pytest.raises(RuntimeError, match="a bug"):
        supervisor.wait()
    assert supervisor.pids() == {}


def test_a_log_is_private_and_bounded_while_its_process_writes_on(tmp_path, started):
    code = """
        import time
        print("x" * 5000, flush=True)
        time.sleep(0.5)
        print("after", flush=True)
        time.sleep(60)
    """
    log = tmp_path / "one.log"
    started(script(tmp_path, "one", code))
    eventually(lambda: log.exists() and log.stat().st_size > 5000)
    assert log.stat().st_mode & 0o077 == 0
    bound_log(log, limit_bytes=1000)
    assert (tmp_path / "one.log.1").stat().st_size > 5000
    eventually(lambda: log.read_text() == "after\n")


def test_a_process_gets_its_environment_and_its_files_are_private(tmp_path, started):
    code = "import json, os, sys; json.dump(os.environ.get('MOAT_HOME'), open(sys.argv[1], 'w'))"
    out = tmp_path / "out"
    started(script(tmp_path, "one", code, str(out), environment={"MOAT_HOME": "/somewhere"}, ready=out.exists))
    eventually(lambda: out.exists() and out.read_text())
    assert json.loads(out.read_text()) == "/somewhere"
    assert out.stat().st_mode & 0o077 == 0
