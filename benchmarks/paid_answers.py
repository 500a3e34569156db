"""What gateway, ledger and budgets add to an answer: the same questions to the same server, bare and through Moat.

python -m benchmarks.paid_answers [--rate 50] [--seconds 20] [--out FILE]

Fixed passages and a provider on this machine, questions at a fixed rate whether or not those before are answered,
SQLite on disk. Arms: the provider called bare over HTTP; Moat's gateway with its ledger; the same with five budgets
that apply to every question. The arms take turns, several times each, so that what else the machine does hits all.
Where that is much, the times say little; the processor's time for an answer says more.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import uvloop
from sqlalchemy import delete, select

from answering.pack import join
from answering.prompt import messages, new_mark
from benchmarks.ingest import say, write
from benchmarks.processes import machine
from benchmarks.tables import number, table
from evaluation.metrics import percentile
from moat.access import create_key
from moat.budgets import Wish, set_budget
from moat.corpora import create_corpus
from moat.database import Database
from moat.ledger import CallContext
from moat.llm.gateway import Gateway, Message
from moat.pipeline_settings import PipelineSettings
from moat.records import Passage, Reader
from moat.settings import Settings
from moat.tables import Budget, CallRow
from services.warm import rest

BARE, LEDGER, BUDGETS = "provider called bare", "gateway and ledger", "gateway, ledger and 5 budgets"
ROUNDS = 3
WARM_UP = 20
GOAL_MS = 10.0
UNQUIET = 1.2  # of the bare calls' median, which is the provider's own pace
QUESTION = "When is lunch served in the canteen?"
TEXT = "Lunch is served at noon in the canteen on the ground floor, and guests are announced at the desk. " * 9
ROOT = Reader(None, "root", scopes=frozenset({"admin"}))
Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Arm:
    """How long whole answers took, and the processor's time that each round took of this process for one, in ms."""

    name: str
    whole_ms: list[float]
    cpu_ms: list[float]

    def at(self, percent: float) -> float:
        return percentile(self.whole_ms, percent) or 0.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=float, default=50, help="questions a second")
    options.add_argument("--seconds", type=float, default=15, help="how long each of the rounds of an arm lasts")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    with (
        provider() as url,
        tempfile.TemporaryDirectory(dir=Path.home()) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as the API does
    ):
        arms = runner.run(measure(url, Path(folder), chosen.rate, int(chosen.rate * chosen.seconds)))
    report(arms, chosen.rate)
    if chosen.out:
        write(chosen.out, {"machine": machine(), "rate": chosen.rate, "arms": [asdict(arm) for arm in arms]})


async def measure(url: str, folder: Path, rate: float, count: int) -> list[Arm]:
    """Ask `count` questions in each round of each arm, the arms in turn."""
    settings = Settings(
        home=folder,
        providers={"local": {"base_url": url, "api_key": "none", "max_retries": 0}},
        models={"local/large": {"input_usd_per_million": 3, "output_usd_per_million": 15}},
    )
    database = Database.from_settings(settings)
    database.migrate()
    reader, gateway, prompt = _reader(database), Gateway(settings, database), _prompt()
    arms = {name: Arm(name, [], []) for name in (BARE, LEDGER, BUDGETS)}
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60) as client:
        asks: dict[str, Ask] = {
            BARE: lambda: _bare(client, url, prompt),
            LEDGER: lambda: _through(gateway, prompt, reader),
            BUDGETS: lambda: _through(gateway, prompt, reader),
        }
        gateway.warm()
        for ask in asks.values():
            await _at_rate(ask, rate, WARM_UP)
        rest()  # as the API does when it has loaded everything
        for round_ in range(ROUNDS):
            for name, ask in asks.items():
                say(f"round {round_ + 1}: {name}")
                _limit(database, reader, name == BUDGETS)
                await _at_rate(ask, rate, WARM_UP)
                before = time.process_time()
                arms[name].whole_ms.extend(await _at_rate(ask, rate, count))
                arms[name].cpu_ms.append((time.process_time() - before) * 1000 / count)
    _check(database, 2 * (ROUNDS * (count + WARM_UP) + WARM_UP))
    await gateway.close()
    database.close()
    return list(arms.values())


async def _at_rate(ask: Ask, rate: float, count: int) -> list[float]:
    """Ask at even intervals; the time that a question waits to be sent counts, as it does for who asks."""
    start = time.perf_counter() + 0.2

    async def one(number_: int) -> float:
        due = start + number_ / rate
        await asyncio.sleep(due - time.perf_counter())
        await ask()
        return (time.perf_counter() - due) * 1000

    return list(await asyncio.gather(*(one(n) for n in range(count))))


async def _bare(client: httpx.AsyncClient, url: str, prompt: Sequence[Message]) -> None:
    body = {
        "model": "large",
        "messages": [{"role": message.role, "content": message.text} for message in prompt],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 800,
    }
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        response.raise_for_status()
        async for _ in response.aiter_lines():
            pass


async def _through(gateway: Gateway, prompt: Sequence[Message], reader: Reader) -> None:
    purpose = CallContext(uuid4(), reader, ("handbook",))
    async for _ in gateway.stream("local/large", prompt, purpose=purpose):
        pass


def _prompt() -> tuple[Message, ...]:
    """Write the prompt over fixed passages."""
    passages = [
        Passage(uuid4(), uuid4(), f"{n}", 1, 0, "Handbook", "handbook", n, (0, len(TEXT)), TEXT, 1.0)
        for n in range(1, 5)
    ]
    return messages(QUESTION, join(passages), new_mark())


def _reader(database: Database) -> Reader:
    with database.transaction() as session:
        create_corpus(session, "handbook", [], PipelineSettings())
        key, _ = create_key(session, name="measured", user="ann", groups=["staff"])
        session.flush()
        return Reader(key.id, "ann", frozenset({"staff"}), frozenset({"ask"}))


def _limit(database: Database, reader: Reader, wanted: bool) -> None:
    """Have a budget of every kind apply, or none."""
    subjects = {"deployment": "", "corpus": "handbook", "key": str(reader.key_id), "user": "ann", "group": "staff"}
    with database.transaction() as session:
        session.execute(delete(Budget))
        for scope, subject in subjects.items() if wanted else ():
            set_budget(database, session, ROOT, Wish(scope, subject, "month", Decimal(1000)))


def _check(database: Database, expected: int) -> None:
    """Make sure that what was measured also did its work."""
    with database.reading() as session:
        states: list[UUID | str] = list(session.scalars(select(CallRow.status)))
    if states != ["ok"] * expected:
        raise RuntimeError(f"{expected} calls were made, and the ledger has {len(states)}: {set(states)}")


@contextmanager
def provider() -> Iterator[str]:
    """Run the provider in a process of its own and give its address."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.paid_provider"], stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("the provider says nothing")
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def report(arms: Sequence[Arm], rate: float) -> None:
    """Print what each arm took, and what Moat adds to the bare call."""
    bare, _, all_ = arms
    rows = [
        [
            arm.name,
            *(number(arm.at(percent)) for percent in (50, 95, 99)),
            *(number(arm.at(percent) - bare.at(percent)) for percent in (50, 95)),
            number(sum(arm.cpu_ms) / len(arm.cpu_ms)),
        ]
        for arm in arms
    ]
    answers = f"{len(bare.whole_ms):,} answers an arm, {rate:g} a second, ms"
    print(table([answers, "p50", "p95", "p99", "added p50", "added p95", "CPU an answer"], rows))
    if bare.at(95) > UNQUIET * bare.at(50):
        print("\nThe bare calls themselves were held up: the machine was too busy for the times to say anything.")
        return
    added = all_.at(95) - bare.at(95)
    print(
        f"\nAdded at p95: {added:.1f} ms; the goal is under {GOAL_MS:g} ms: {'met' if added < GOAL_MS else 'missed'}."
    )


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    say(f"took {time.perf_counter() - started:.0f} s")
