"""Bombs, broken, locked and fuzzed files through the whole platform: each ends, and nothing else does."""

import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from benchmarks.workload import data_folder
from cli.up import Platform
from moat.records import TERMINAL_STATES, DocumentState
from moat.settings import EmbedderSettings
from moat.tables import Indexing
from tests.fakes import bombs
from tests.fakes.files import small_file
from tests.fakes.mutants import mutants
from tests.fakes.patient import PatientClient, Stores, eventually, stores_of
from tests.fakes.platform import running_platform
from tests.fakes.watch import ParserWatch, tree

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory and /proc are Linux's"),
]
ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, "-m", "tests.fakes.counting_worker")
SEED = 20261123
REFUSED = {413, 415, 422}
PATIENCE_S = 2700.0  # a test's own timeout is what ends it; a large table takes long to embed
GRACE_S = 10.0  # over the wall limit: starting the child, storing what it found, and between two looks


@dataclass
class Places:
    """Where a platform may write, and where it must not."""

    root: Path
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        for name in ("tmp", "user", "cwd"):
            (self.root / name).mkdir()

    def environment(self, limits: Mapping[str, float]) -> dict[str, str]:
        told = {f"MOAT_SANDBOX__{name.upper()}": f"{value}" for name, value in limits.items()}
        log = self.home.parent / "embedded"
        log.touch()
        return told | {
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.root / "tmp"),
            "HOME": str(self.root / "user"),
            "MOAT_EMBEDDER__CONVERTED": str(Path(EmbedderSettings().converted).expanduser()),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COUNTING_WORDS": "1",
            "COUNTING_LOG": str(log),
            "MOAT_WORKER__RETRY_BASE_S": "0.2",
            "MOAT_WORKER__SWEEP_S": "1",
        }

    def outside(self) -> set[str]:
        """Name all that lies beside the home, but for the cache that torch makes in the worker."""
        return {name for name in tree(self.root) if not name.startswith(("home", "tmp/torchinductor"))}


@dataclass
class Outcome:
    """What became of every file."""

    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    parsing_s: dict[UUID, float] = field(default_factory=dict)  # the longest that a document was being parsed


def go_through(
    places: Places, files: Mapping[str, bytes], limits: Mapping[str, float], monkeypatch: pytest.MonkeyPatch
) -> Outcome:
    """Upload everything, wait until each has ended, and check what must hold whatever the files are."""
    monkeypatch.chdir(places.root / "cwd")
    environment = places.environment(limits)
    before = places.outside()
    with (
        running_platform(places.home, worker_argv=WORKER, environment=environment) as running,
        stores_of(running) as stores,
    ):
        settings = running.settings.sandbox.model_copy(update=dict(limits))
        client = PatientClient(running)
        first = client.upload(*small_file(0))
        eventually(lambda: client.get(f"/v1/documents/{first}")["state"] == "ready")
        pids, layout = running.supervisor.pids(), {path.name for path in places.home.iterdir()}
        watch = ParserWatch(running)
        watch.start()
        try:
            outcome = _send_all(running, files)
            _wait_all(stores, outcome, settings.wall_s)
            eventually(stores.is_quiet)
        finally:
            watch.stop()
        _read_all(client, outcome)
        assert client.get("/health/ready")
        assert running.supervisor.pids() == pids, "a process was started again"
        assert {path.name for path in places.home.iterdir()} == layout
        assert not list((places.home / "blobs" / "staging").glob("*"))
        _nothing_read_of_this_machine(client, outcome)
        second = client.upload(*small_file(1))
        eventually(lambda: client.get(f"/v1/documents/{second}")["state"] == "ready")
        assert stores.points(stores.serving()) == stores.rows(stores.serving())
    _tell(outcome, watch, settings.memory_bytes)
    assert places.outside() == before
    assert watch.peaks, "no parser was seen"
    assert max(watch.peaks.values()) <= settings.memory_bytes
    assert max(outcome.parsing_s.values(), default=0) <= settings.wall_s + GRACE_S
    for shown in outcome.documents.values():
        assert shown["state"] in TERMINAL_STATES, shown
        assert shown["state"] == "ready" or (shown["error"] and shown["hint"]), shown
    return outcome


def _send_all(running: Platform, files: Mapping[str, bytes]) -> Outcome:
    """Upload file by file; each is taken, or refused with a status, a reason and a hint."""
    outcome = Outcome()
    headers = {"Authorization": f"Bearer {running.admin_key}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=120) as http:
        for name, content in files.items():
            response = http.post("/v1/corpora/default/documents", files=[("files", (Path(name).name, content))])
            assert response.status_code in {202, *REFUSED}, f"{name}: {response.status_code} {response.text}"
            (item,) = response.json()["items"]
            if item["id"]:
                outcome.documents[name] = {"id": item["id"]}
            else:
                outcome.refused[name] = item["problem"]
                assert item["problem"]["hint"], item
    return outcome


def _wait_all(stores: Stores, outcome: Outcome, wall_s: float) -> None:
    """Wait until nothing is in work, members of archives included, and note how long each document was parsed."""
    began: dict[UUID, tuple[int, float]] = {}

    def ended() -> bool:
        now = time.monotonic()
        with stores.database.reading() as session:
            rows = session.execute(select(Indexing.id, Indexing.state, Indexing.attempts, Indexing.timings)).all()
        for id_, state, attempt, timings in rows:
            known = began.get(id_)
            if state == DocumentState.PARSING and (known is None or known[0] != attempt):
                began[id_] = (attempt, now)
            elif known is not None and state != DocumentState.PARSING:
                del began[id_]
                outcome.parsing_s[id_] = max(outcome.parsing_s.get(id_, 0.0), now - known[1])
            # What was read is cut into chunks in the same state; a document that became ready tells the two apart.
            if "parse_s" in timings:
                outcome.parsing_s[id_] = timings["parse_s"]
        return all(state in TERMINAL_STATES for _, state, *_ in rows)

    eventually(ended, PATIENCE_S + 3 * wall_s)


def _read_all(client: PatientClient, outcome: Outcome) -> None:
    for name, document in list(outcome.documents.items()):
        outcome.documents[name] = client.get(f"/v1/documents/{document['id']}")


def _nothing_read_of_this_machine(client: PatientClient, outcome: Outcome) -> None:
    marker = Path("/etc/passwd").read_text().splitlines()[0]
    for shown in outcome.documents.values():
        if shown["state"] == "ready" and shown["size"] < 1_000_000:
            assert marker not in client.get(f"/v1/documents/{shown['id']}/text")["text"], shown["name"]


def _tell(outcome: Outcome, watch: ParserWatch, limit: int) -> None:
    states = Counter(shown["state"] for shown in outcome.documents.values())
    print(f"refused {len(outcome.refused)}, {dict(states)}; slowest {max(outcome.parsing_s.values(), default=0):.1f} s")
    peak = max(watch.peaks.values(), default=0)
    print(f"{len(watch.peaks)} parsers, the largest {peak / 1e6:.0f} MB of {limit / 1e6:.0f} MB address space")
    for name, shown in outcome.documents.items():
        print(f"{shown['state']} {name}: {shown['error'] or shown['timings']}")
    for name, told in outcome.refused.items():
        print(f"{told['status']} {name}: {told['detail']}")


@pytest.mark.timeout(180)
def test_bombs_and_broken_files_end_and_take_nothing_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "expanding.docx": bombs.docx_bomb(24, numbered=False),
        "dense.docx": bombs.docx_bomb(24),
        "dense.xlsx": bombs.xlsx_bomb(20_000),
        "one-line.txt": bombs.one_line(200),
        "table.csv": bombs.wide_csv(300),
        **bombs.broken_files(),
    }
    limits = {"memory_bytes": 450_000_000, "cpu_s": 2, "wall_s": 15}
    outcome = go_through(Places(tmp_path), files, limits, monkeypatch)
    told = {name: shown["error"] or "" for name, shown in outcome.documents.items()}
    assert "grows" in told["expanding.docx"]
    for name in ("dense.docx", "dense.xlsx"):
        assert any(limit in told[name] for limit in ("of memory", "CPU seconds", "longer than")), told[name]
    for name in ("one-line.txt", "table.csv", "outside.zip"):
        assert outcome.documents[name]["state"] == "ready", told[name]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_odd_file_ends_and_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder() / "odd_dev" / "files"
    if not folder.is_dir():
        pytest.skip("set MOAT_DATA to a folder with odd_dev/files in it")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    names = list(files)
    random.Random(SEED).shuffle(names)
    outcome = go_through(Places(tmp_path), {name: files[name] for name in names}, {}, monkeypatch)
    assert len(outcome.documents) + len(outcome.refused) == len(files)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_thousand_damaged_uploads_end_and_take_nothing_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: content for name, _, content in mutants(SEED + 2, 2_000)}
    limits = {"memory_bytes": 700_000_000, "cpu_s": 5, "wall_s": 15, "max_output_bytes": 5_000_000}
    outcome = go_through(Places(tmp_path), files, limits, monkeypatch)
    assert len(outcome.documents) + len(outcome.refused) == len(files)
    assert sum(shown["state"] == "ready" for shown in outcome.documents.values()) > 200


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_bombs_of_full_size_end_under_the_usual_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "expanding.docx": bombs.docx_bomb(300, numbered=False),
        "dense.docx": bombs.docx_bomb(100),
        "dense.xlsx": bombs.xlsx_bomb(150_000),
        "one-line.txt": bombs.one_line(10_000),
        "table.csv": bombs.wide_csv(50_000),
    }
    outcome = go_through(Places(tmp_path), files, {}, monkeypatch)
    assert "grows" in outcome.documents["expanding.docx"]["error"]
