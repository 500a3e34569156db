"""A Moat to measure: one that runs already, or one started for the run in a home of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import ProcessTree
from cli.home import Home
from moat.records import TERMINAL_STATES, DocumentState

READY_S, STOP_S = 120, 30
BATCH_FILES = 25
POLL_S = 0.25
SUPERVISOR = "supervisor"
# What is measured calls faster than people do.
UNLIMITED = {f"MOAT_RATES__PER_{who}": "0" for who in ("KEY", "USER", "ADDRESS")}


@dataclass(frozen=True, slots=True)
class RunningMoat:
    """A Moat started for the run: its home, address, admin key, processes, and the seconds until it was ready."""

    home: Path
    server: str
    key: str
    tree: ProcessTree
    ready_s: float


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of an upload: how long until every file was settled, and each one's state or refusal by key.

    A file without pages counts as one page.
    `stages` sums what each document's own clock says: of two documents in work at once, both count.
    """

    wall_s: float
    states: Mapping[str, str]
    problems: Mapping[str, str]
    chunks: int
    pages: int
    stages: Mapping[str, float]

    @property
    def ready(self) -> int:
        """How many files were indexed."""
        return sum(state == DocumentState.READY.value for state in self.states.values())


@contextmanager
def running_moat(settings: Mapping[str, str] | None = None) -> Iterator[RunningMoat]:
    """Start `moat up` in a temporary home, with these settings' names in its environment, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="moat-bench-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [str(Path(sys.executable).with_name("moat")), "up", "--home", home, "--port", str(port)]
        began = time.perf_counter()
        environment = os.environ | UNLIMITED | dict(settings or {})
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        try:
            server = f"http://127.0.0.1:{port}"
            _wait_until_ready(server, process)
            ready_s = time.perf_counter() - began
            key = Home(Path(home)).key_file.read_text("utf-8").strip()
            yield RunningMoat(Path(home), server, key, _tree(Path(home)), ready_s)
        finally:
            process.terminate()
            process.wait(STOP_S)


def _tree(home: Path) -> ProcessTree:
    state = Home(home).running()
    if state is None:
        raise RuntimeError("'moat up' answered and ended again")
    return ProcessTree(state.pid, {pid: name for name, pid in state.processes.items()} | {state.pid: SUPERVISOR})


@contextmanager
def connect(server: str, key: str) -> Iterator[httpx.Client]:
    """Open an HTTP client with this key."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=server, headers=headers, timeout=300, trust_env=False) as http:
        yield http


def upload(http: httpx.Client, corpus: str, root: Path, names: Sequence[str], deadline_s: float = 1800) -> Uploaded:
    """Make the corpus, upload the files under their paths as keys, and wait until each is settled."""
    began = time.perf_counter()
    made = http.post("/v1/corpora", json={"name": corpus})
    if made.status_code != httpx.codes.CONFLICT:  # a corpus that is there already is used as it is
        made.raise_for_status()
    problems: dict[str, str] = {}
    for start in range(0, len(names), BATCH_FILES):
        problems |= send(http, corpus, root, names[start : start + BATCH_FILES])
    documents = _settled(http, corpus, time.monotonic() + deadline_s)
    return Uploaded(
        wall_s=time.perf_counter() - began,
        states={document["key"]: document["state"] for document in documents},
        problems=problems
        | {d["key"]: str(d.get("error")) for d in documents if d["state"] != DocumentState.READY.value},
        chunks=sum(document.get("chunks") or 0 for document in documents),
        pages=sum(document.get("pages") or 1 for document in documents),
        stages=dict(sum((Counter(document["timings"]) for document in documents), Counter[str]())),
    )


def chunks(http: httpx.Client, corpus: str) -> list[tuple[str, int]]:
    """Give every indexed chunk's text and word pieces."""
    found: list[tuple[str, int]] = []
    for document in _documents(http, corpus):
        cursor: str | None = "0" if document["chunks"] else None
        while cursor is not None:
            query = {"limit": "500", "cursor": cursor}
            page = http.get(f"/v1/documents/{document['id']}/chunks", params=query).raise_for_status().json()
            found += ((chunk["text"], chunk["tokens"]) for chunk in page["items"])
            cursor = page["next_cursor"]
    return found


def send(http: httpx.Client, corpus: str, root: Path, names: Sequence[str], priority: str = "") -> dict[str, str]:
    """Upload files in one call under their paths as keys, and give what was refused, by key."""
    with ExitStack() as opened:
        files = [("files", (Path(name).name, opened.enter_context((root / name).open("rb")))) for name in names]
        data = {"key": list(names), "priority": priority}
        response = http.post(f"/v1/corpora/{corpus}/documents", files=files, data=data)
    body = response.json()
    if "items" not in body:  # all refused: the problem is the answer
        return dict.fromkeys(names, f"{response.status_code}: {body.get('detail')}")
    return {name: str(item["problem"]) for name, item in zip(names, body["items"], strict=True) if item.get("problem")}


def _settled(http: httpx.Client, corpus: str, deadline: float) -> list[dict[str, Any]]:
    while True:
        page = http.get(f"/v1/corpora/{corpus}/documents", params={"limit": "1"}).raise_for_status().json()
        if not any(count for state, count in page["counts"].items() if state not in TERMINAL_STATES):
            return _documents(http, corpus)
        if time.monotonic() > deadline:
            raise TimeoutError(f"corpus {corpus} has unsettled documents; 'moat status' says which")
        time.sleep(POLL_S)


def _documents(http: httpx.Client, corpus: str) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = http.get(f"/v1/corpora/{corpus}/documents", params=query).raise_for_status().json()
        documents += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return documents


def _wait_until_ready(server: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"'moat up' ended with {process.returncode} before it was ready")
        try:
            if httpx.get(f"{server}/health/ready", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"'moat up' was not ready within {READY_S} s")
