"""A Moat to measure: one that runs already, or one started for the run in a home of its own."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from moat.records import TERMINAL_STATES, DocumentState

READY_S, STOP_S = 120, 30
BATCH_FILES = 25


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of an upload: how long until every file was settled, and each one's state or refusal by key."""

    wall_s: float
    states: Mapping[str, str]
    problems: Mapping[str, str]
    chunks: int


@contextmanager
def running_moat() -> Iterator[tuple[str, str]]:
    """Start `moat up` in a temporary home, yield its address and admin key, and stop it again."""
    with tempfile.TemporaryDirectory(prefix="moat-bench-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [str(Path(sys.executable).with_name("moat")), "up", "--home", home, "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            server = f"http://127.0.0.1:{port}"
            _wait_until_ready(server, process)
            yield server, (Path(home) / "admin.key").read_text(encoding="utf-8").strip()
        finally:
            process.terminate()
            process.wait(STOP_S)


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
        problems |= _send(http, corpus, root, names[start : start + BATCH_FILES])
    documents = _settled(http, corpus, time.monotonic() + deadline_s)
    return Uploaded(
        wall_s=time.perf_counter() - began,
        states={document["key"]: document["state"] for document in documents},
        problems=problems
        | {d["key"]: str(d.get("error")) for d in documents if d["state"] != DocumentState.READY.value},
        chunks=sum(document.get("chunks") or 0 for document in documents),
    )


def _send(http: httpx.Client, corpus: str, root: Path, names: Sequence[str]) -> dict[str, str]:
    with ExitStack() as opened:
        files = [("files", (Path(name).name, opened.enter_context((root / name).open("rb")))) for name in names]
        response = http.post(f"/v1/corpora/{corpus}/documents", files=files, data={"key": list(names)})
    body = response.json()
    if "items" not in body:  # all refused: the problem is the answer
        return dict.fromkeys(names, f"{response.status_code}: {body.get('detail')}")
    return {name: str(item["problem"]) for name, item in zip(names, body["items"], strict=True) if item.get("problem")}


def _settled(http: httpx.Client, corpus: str, deadline: float) -> list[dict[str, Any]]:
    while True:
        documents = _documents(http, corpus)
        if all(document["state"] in TERMINAL_STATES for document in documents):
            return documents
        if time.monotonic() > deadline:
            raise TimeoutError(f"corpus {corpus} has unsettled documents; 'moat status' says which")
        time.sleep(1)


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
