"""A catalog, an index with one document, a paid model, and API processes of their own over them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from moat.budgets import Standing, Wish, set_budget, standings
from tests.fakes.api import Api
from tests.fakes.edge_process import edge_process
from tests.fakes.models import LUNCH, PRICES
from tests.fakes.openai_server import FakeOpenAI, openai_server
from tests.fakes.spending import ADMIN

ROOT = Path(__file__).parents[2]
_READY_S = 60.0
_NUMBER = re.compile(r"number (\d+)")


@dataclass
class ApiProcess:
    """One API; `pid` is of the child that answers."""

    url: str
    process: subprocess.Popen[bytes]
    pid_file: Path

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text() or 0)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@dataclass
class PaidWorld:
    """What the test looks at from outside."""

    api: Api
    fake: FakeOpenAI
    faults: Path
    processes: list[ApiProcess] = field(default_factory=list)

    def limit(self, usd: str) -> None:
        with self.api.database.transaction() as session:
            set_budget(self.api.database, session, ADMIN, Wish("deployment", "", "total", Decimal(usd)))

    def standing(self) -> Standing:
        with self.api.database.reading() as session:
            (found,) = standings(session, ADMIN)
            return found

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api.admin_key}"}

    def lines(self) -> list[int]:
        """Give the number of the question of each request that the provider has read."""
        return [number_of(request["messages"][-1]["content"]) for request in self.fake.requests]


def question(number: int) -> dict[str, Any]:
    return {"question": f"When is lunch served in the canteen, asks number {number}?", "model": "fake/large"}


def number_of(text: str) -> int:
    (found,) = set(_NUMBER.findall(text))
    return int(found)


@contextmanager
def paid_world(
    folder: Path, fake: FakeOpenAI, *, apis: int = 1, database_url: str = "", settings: Mapping[str, str] | None = None
) -> Iterator[PaidWorld]:
    """Run it until the block ends; each API process serves on a port of its own and comes back when it is killed."""
    home, faults = folder / "home", folder / "faults"
    home.mkdir()
    faults.mkdir()
    with ExitStack() as stack:
        stack.enter_context(openai_server(model=fake))
        edge = stack.enter_context(edge_process(folder / "edge"))
        api = Api(home, edge.client(), **({"database": {"url": database_url}} if database_url else {}))
        stack.callback(api.close)
        api.add("lunch.txt", LUNCH)
        world = PaidWorld(api, fake, faults)
        environment = {
            "MOAT_HOME": str(home),
            "MOAT_BROKER__URL": "memory://",
            **edge.environment,
            "MOAT_PROVIDERS__FAKE__BASE_URL": fake.url,
            "MOAT_PROVIDERS__FAKE__API_KEY": "sk-x",
            "MOAT_PROVIDERS__FAKE__MAX_RETRIES": "0",
            "MOAT_MODELS": json.dumps({"fake/large": PRICES}),
            **{f"MOAT_RATES__{name}": "0" for name in ("PER_KEY", "PER_USER", "PER_ADDRESS", "AT_ONCE")},
            **({"MOAT_DATABASE__URL": database_url, "MOAT_DATABASE__POOL_SIZE": "20"} if database_url else {}),
            **(settings or {}),
        }
        for number in range(apis):
            world.processes.append(stack.enter_context(_process(folder, number, environment)))
        for process in world.processes:
            ready(process)
        yield world


@contextmanager
def _process(folder: Path, number: int, environment: Mapping[str, str]) -> Iterator[ApiProcess]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    pid_file, log = folder / f"api-{number}.pid", folder / f"api-{number}.log"
    pid_file.touch()
    told = {**os.environ, **environment, "LISTENER": str(listener.fileno()), "PID_FILE": str(pid_file)}
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.paid_api"],
            cwd=ROOT,
            env=told,
            pass_fds=[listener.fileno()],
            stdout=said,
            stderr=said,
        )
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    try:
        yield ApiProcess(url, process, pid_file)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ready(api: ApiProcess) -> None:
    """Wait until the API answers."""
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            if httpx.get(f"{api.url}/health/live", timeout=_READY_S).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
        assert api.process.poll() is None, "the API has ended; see its log"
        assert time.monotonic() < deadline, "the API is not ready"
