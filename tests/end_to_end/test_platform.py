"""The whole path on a fresh home: how soon it serves, what it weighs, what it keeps, and what it leaves behind."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from cli.up import Platform, load_settings, platform
from moat.errors import Conflict
from tests.fakes.files import small_file, subject
from tests.fakes.patient import PatientClient, eventually, stores_of
from tests.fakes.platform import running_platform

pytestmark = pytest.mark.end_to_end
READY_WITHIN_S = 60.0
WEIGHT_BYTES = 1_500_000_000
SETTLED_S = 60.0


def walk(running: Platform, number: int = 0) -> str:
    """Upload a file, wait until it is ready, ask for what it says; gives its id."""
    client = PatientClient(running)
    document = client.upload(*small_file(number))
    eventually(lambda: client.get(f"/v1/documents/{document}")["state"] == "ready")
    answer = client.post("/v1/answers", {"question": f"Who keeps {subject(number)} in section 3?"})
    assert not answer["abstained"]
    assert f"keeper {number}-3" in answer["answer"]
    assert {citation["document_id"] for citation in answer["citations"]} == {str(document)}
    assert answer["cost"]["total_usd"] == "0"
    return str(document)


def family(running: Platform) -> list[psutil.Process]:
    found = [psutil.Process(pid) for pid in running.supervisor.pids().values()]
    return [process for parent in found for process in (parent, *parent.children(recursive=True))]


def proportional_bytes(process: psutil.Process) -> int:
    """Memory of a process, with what it shares divided among the sharers."""
    return int(process.memory_full_info().pss)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_it_is_ready_soon_keeps_everything_over_a_restart_and_leaves_no_process(
    tmp_path: Path, backends: Mapping[str, str]
) -> None:
    home = tmp_path / "home"
    started = time.monotonic()
    with running_platform(home, backends=backends) as running, stores_of(running) as stores:
        ready_s = time.monotonic() - started
        print(f"ready after {ready_s:.1f} s")
        assert ready_s < READY_WITHIN_S
        document = walk(running)
        eventually(stores.is_quiet)
        points, key = stores.points(stores.serving()), running.admin_key
        with pytest.raises(Conflict, match="already"), platform(load_settings(home, 0)):
            pass
        processes = family(running)
        assert len(processes) >= (3 if backends else 4)
    assert alive(processes) == []

    with running_platform(home, backends=backends) as running, stores_of(running) as stores:
        assert running.first_key is None
        assert running.admin_key == key
        assert stores.points(stores.serving()) == stores.rows(stores.serving()) == points != set()
        client = PatientClient(running)
        assert client.get(f"/v1/documents/{document}")["state"] == "ready"
        again = client.post("/v1/answers", {"question": f"Who keeps {subject(0)} in section 3?"})
        assert "keeper 0-3" in again["answer"]
        processes = family(running)
    assert alive(processes) == []


@pytest.mark.soak
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proportional set sizes are Linux's")
def test_a_minute_after_an_upload_and_a_question_all_processes_together_are_light(tmp_path: Path) -> None:
    with running_platform(tmp_path / "home") as running:
        walk(running)
        settled = time.monotonic() + SETTLED_S
        eventually(lambda: time.monotonic() > settled, SETTLED_S + 10)
        names = {pid: name for name, pid in running.supervisor.pids().items()}
        weights = {names.get(p.pid, f"child {p.pid}"): proportional_bytes(p) for p in family(running)}
        print({name: f"{weight / 1e6:.0f} MB" for name, weight in weights.items()})
        print(f"together {sum(weights.values()) / 1e6:.0f} MB")
        assert sum(weights.values()) < WEIGHT_BYTES
