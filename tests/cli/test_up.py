"""`moat up` as people run it: everything real, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from cli.doctor import examine
from cli.home import Home, mode_of
from tests.fakes.platform import running_platform

pytestmark = pytest.mark.end_to_end
UP = "import typer; from cli.up import up; typer.run(up)"
START_S, STOP_S = 120, 15


def eventually(what: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def moat_up(home: Path, output: Path) -> Iterator[psutil.Process]:
    """Run the command until the block ends; it is ready when the block begins."""
    with output.open("wb") as out:
        argv = [sys.executable, "-c", UP, "--home", str(home), "--port", "0"]
        warm = {"MOAT_SANDBOX__IDLE_S": "600"}
        started = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **warm})
    try:
        eventually(lambda: started.poll() is not None or "Moat is ready" in output.read_text(), START_S)
        assert started.poll() is None, output.read_text()
        yield psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait()


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def left(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def index_something(home: Home, key: str) -> None:
    state = home.running()
    assert state is not None
    with httpx.Client(base_url=state.url, headers={"Authorization": f"Bearer {key}"}) as client:
        files = [("files", ("leave.txt", b"Everybody has thirty days of leave a year.", "text/plain"))]
        (document,) = client.post("/v1/corpora/default/documents", files=files).json()["items"]
        eventually(lambda: client.get(f"/v1/documents/{document['id']}").json()["state"] == "ready", START_S)


def test_it_serves_is_found_well_and_stops_at_sigterm_with_no_process_left(tmp_path):
    home, output = tmp_path / "home", tmp_path / "output"
    with moat_up(home, output) as process:
        state = Home(home).running()
        assert state is not None
        assert set(state.processes) == {"valkey", "edge", "worker", "api"}
        key = (home / "admin.key").read_text().strip()
        assert mode_of(home / "admin.key") == 0o600
        assert key not in output.read_text()  # it went to a file, not to a person

        assert httpx.get(f"{state.url}/v1/corpora").status_code == 401
        answer = httpx.get(f"{state.url}/v1/corpora", headers={"Authorization": f"Bearer {key}"})
        assert [corpus["name"] for corpus in answer.json()["items"]] == ["default"]

        findings, fault = examine(home)
        assert not fault
        assert [finding for finding in findings if finding.level == "broken"] == []

        second = subprocess.run(
            [sys.executable, "-c", UP, "--home", str(home)], capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode != 0
        assert f"process {process.pid} at {state.url}" in second.stderr

        everything = family(process)
        assert len(everything) >= 6  # the four, their supervisor and its guard
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not left(everything), STOP_S)
    assert Home(home).running() is None
    assert "Moat has stopped." in output.read_text()
    assert "died" not in output.read_text()


def test_killed_with_sigkill_it_leaves_nothing_and_starts_again(tmp_path):
    home = tmp_path / "home"
    with moat_up(home, tmp_path / "first") as process:
        key = (home / "admin.key").read_text()
        index_something(Home(home), key.strip())
        everything = family(process)
        assert any("fork_server" in " ".join(p.cmdline()) for p in everything)  # the worker keeps a warm parser
        process.kill()
        eventually(lambda: not left(everything), 5)
    assert Home(home).running() is None
    with moat_up(home, tmp_path / "second"):
        assert (home / "admin.key").read_text() == key


def test_each_killed_process_comes_back_and_the_platform_serves_again(tmp_path):
    home = tmp_path / "home"
    with running_platform(home) as running:
        before = running.supervisor.pids()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)

        def back() -> bool:
            now = running.supervisor.pids()
            return now.keys() == before.keys() and all(now[name] != before[name] for name in now)

        eventually(back, START_S)

        def ready() -> bool:
            try:
                return httpx.get(f"{running.url}/health/ready", timeout=10).json()["ready"] is True
            except httpx.TransportError:
                return False

        eventually(ready, START_S)
        eventually((home / "run" / "worker.ready").exists, START_S)
        assert json.loads((home / "run" / "state.json").read_text())["processes"] == running.supervisor.pids()
