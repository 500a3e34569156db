"""Failing providers of every kind: each attempt is in the ledger; the fallback answers, or there is an error."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from moat.database import Database
from moat.errors import (
    ModelNotAllowed,
    ProviderError,
    ProviderOverloaded,
    ProviderSuspended,
    ProviderTimeout,
)
from moat.llm.gateway import CallContext, Gateway, Message
from moat.records import Reader
from moat.settings import Settings
from moat.tables import CallRow, Corpus
from tests.fakes.dialects import DIALECTS, VECTOR, Cohere, Dialect, Reply
from tests.fakes.model_server import ModelServer, model_server
from tests.fakes.patient import eventually

pytestmark = pytest.mark.anyio

PROMPT = (Message("system", "Be brief."), Message("user", "Say hello."))
PRICES = {"input_usd_per_million": "1", "cached_usd_per_million": "0.5", "output_usd_per_million": "2"}
ANN = Reader(key_id=None, user="ann", groups=frozenset({"staff"}))
PURPOSE = CallContext(None, ANN)
FAULTS = {
    "429": Reply(status=429, headers={"Retry-After": "0"}),
    "500": Reply(status=500),
    "400": Reply(status=400),
    "401": Reply(status=401),
    "silent": Reply(pause_before=0),
    "cut": Reply(cut_after=0),
    "malformed": Reply(garbage_after=0),
    "error inside": Reply(error_after=0),
    "no end marker": Reply(pieces=(), end_after=0),
}
Serve = Callable[..., ModelServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda dialect, *replies: stack.enter_context(model_server(dialect, *replies))


def provider(server: ModelServer, **more: Any) -> dict[str, Any]:
    return {
        "kind": server.dialect.kind,
        "base_url": server.url,
        "api_key": "sk-test",
        "region": "eu",
        "access_key_id": "AKIAFAKE",
        "secret_access_key": "secret",
        "free": False,
        "max_retries": 0,
    } | more


def settings(providers: dict[str, Any], models: dict[str, Any] | None = None, **more: Any) -> Settings:
    limits = {"deadline_s": 40, "first_token_s": 20} | more.pop("answering", {})
    known = {f"{name}/small": {"max_output_tokens": 50} | PRICES for name in providers}
    for name, changed in (models or {}).items():
        known[name] = known.get(name, {}) | changed
    return Settings(providers=providers, models=known, answering=limits, **more)


async def ask(gateway: Gateway, model: str = "first/small", purpose: CallContext = PURPOSE) -> str:
    return "".join([delta.text async for delta in gateway.stream(model, PROMPT, purpose=purpose)])


def rows(database: Database) -> list[tuple[str, int, str]]:
    with database.reading() as session:
        found = sorted(session.query(CallRow), key=lambda row: row.attempt)
        assert all(row.status != "open" for row in found)
        assert all(row.cost_usd == row.ceiling_usd for row in found if row.status == "presumed")
        return [(row.provider, row.attempt, row.status) for row in found]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.kind)
async def test_answer_comes_from_the_fallback_and_both_attempts_are_booked(
    database: Database, serve: Serve, dialect: Dialect, fault: str
) -> None:
    broken, sound = serve(dialect, FAULTS[fault]), serve(Dialect())
    chain = {"first/small": {"fallback": ["second/small"]}}
    limits = {"first_token_s": 2} if fault == "silent" else {}
    made = settings({"first": provider(broken), "second": provider(sound)}, chain, answering=limits)
    assert await ask(Gateway(made, database)) == "Hello there."
    billed = fault not in ("429", "500", "400", "401")
    assert rows(database) == [("first", 1, "presumed" if billed else "failed"), ("second", 2, "ok")]
    assert len(broken.requests) == len(sound.requests) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_a_fallback_there_is_a_clear_error_inside_the_deadline(
    database: Database, serve: Serve, fault: str
) -> None:
    server = serve(Dialect(), FAULTS[fault])
    made = settings({"first": provider(server, max_retries=1)}, answering={"deadline_s": 8, "first_token_s": 2})
    started = time.monotonic()
    with pytest.raises(ProviderError) as failed:
        await ask(Gateway(made, database, jitter=lambda: -0.4))
    assert time.monotonic() - started < 10
    assert "first" in failed.value.detail
    assert failed.value.hint
    tries = 1 if fault in ("400", "401") else 2
    assert [attempt for _, attempt, _ in rows(database)] == list(range(1, tries + 1))


async def test_once_text_has_come_nobody_else_is_asked(database: Database, serve: Serve) -> None:
    broken, sound = serve(Dialect(), Reply(cut_after=1)), serve(Dialect())
    chain = {"first/small": {"fallback": ["second/small"]}}
    made = settings({"first": provider(broken, max_retries=3), "second": provider(sound)}, chain)
    with pytest.raises(ProviderError, match="broke off"):
        await ask(Gateway(made, database))
    assert rows(database) == [("first", 1, "presumed")]
    assert sound.requests == []


async def test_the_error_is_that_of_the_model_that_was_asked_for(database: Database, serve: Serve) -> None:
    chain = {"first/small": {"fallback": ["second/small"]}}
    servers = serve(Dialect(), Reply(status=503)), serve(Dialect(), Reply(status=400))
    made = settings({"first": provider(servers[0]), "second": provider(servers[1])}, chain)
    with pytest.raises(ProviderOverloaded, match="first"):
        await ask(Gateway(made, database))
    assert rows(database) == [("first", 1, "failed"), ("second", 2, "failed")]


async def test_first_token_has_a_deadline_of_its_own_which_slow_answers_do_not_meet_again(
    database: Database, serve: Serve
) -> None:
    server = serve(Dialect(), Reply(pause_before=1))
    made = settings({"first": provider(server)}, answering={"first_token_s": 2})
    asking = asyncio.create_task(ask(Gateway(made, database)))
    await asyncio.to_thread(server.reached_pause.wait, 10)
    await asyncio.sleep(2.5)  # past the first token's deadline, in the middle of the answer
    server.go.set()
    assert await asking == "Hello there."

    silent = settings({"first": provider(serve(Dialect(), Reply(pause_before=0)))}, answering={"first_token_s": 0.3})
    with pytest.raises(ProviderTimeout, match=r"begin within 0\.3"):
        await ask(Gateway(silent, database))


async def test_circuit_opens_after_failures_in_a_row_and_lets_one_try_when_its_time_is_over(
    database: Database, serve: Serve
) -> None:
    server = serve(Dialect(), *[Reply(status=500)] * 4, Reply())
    made = settings({"first": provider(server, breaker_failures=3, breaker_s=30)})
    gateway = Gateway(made, database)
    now = 100.0
    gateway._circuits.clock = lambda: now
    for _ in range(3):
        with pytest.raises(ProviderError, match="500"):
            await ask(gateway)
    with pytest.raises(ProviderSuspended, match="3 times"):
        await ask(gateway)
    assert len(server.requests) == len(rows(database)) == 3  # a call that was not made has no row
    now += 31
    with pytest.raises(ProviderError, match="500"):
        await ask(gateway)
    with pytest.raises(ProviderSuspended):  # the one that was let try failed: closed for another while
        await ask(gateway)
    now += 31
    assert await ask(gateway) == "Hello there."
    assert await ask(gateway) == "Hello there."


async def test_refusals_do_not_open_the_circuit(database: Database, serve: Serve) -> None:
    server = serve(Dialect(), *[Reply(status=400)] * 3, Reply())
    gateway = Gateway(settings({"first": provider(server, breaker_failures=2)}), database)
    for _ in range(3):
        with pytest.raises(ProviderError, match="400"):
            await ask(gateway)
    assert await ask(gateway) == "Hello there."


async def test_no_more_calls_at_once_than_a_provider_may_get(database: Database, serve: Serve) -> None:
    server = serve(Dialect(), Reply(pause_before=1))
    gateway = Gateway(settings({"first": provider(server, concurrency=3)}), database)
    asking = [asyncio.create_task(ask(gateway)) for _ in range(9)]
    await asyncio.to_thread(server.reached_pause.wait, 10)
    await asyncio.sleep(0.5)
    assert server.most_at_once == 3
    server.go.set()
    assert await asyncio.gather(*asking) == ["Hello there."] * 9
    assert server.most_at_once == 3


async def test_who_finds_no_place_in_time_is_told_so_and_has_no_row(database: Database, serve: Serve) -> None:
    used = settings({"first": provider(serve(Dialect()), concurrency=1)}, answering={"deadline_s": 3})
    gateway = Gateway(used, database)
    async with gateway._circuits.place("first", used.providers["first"], asyncio.get_running_loop().time() + 60):
        with pytest.raises(ProviderOverloaded):
            await ask(gateway)
    assert rows(database) == []
    await ask(gateway)
    assert len(rows(database)) == 1, "the place is free again"


async def test_texts_are_embedded_and_documents_scored_each_with_a_row(database: Database, serve: Serve) -> None:
    ranker = {"kind": "rerank", "usd_per_thousand_searches": "2"}
    models = {"first/small": {"kind": "embedding"}, "first/ranker": ranker}
    gateway = Gateway(settings({"first": provider(serve(Cohere()))}, models), database)
    assert await gateway.embed("first/small", ["one", "two"], purpose=PURPOSE) == [VECTOR, VECTOR]
    assert await gateway.rerank("first/ranker", "which?", ["a", "b"], purpose=PURPOSE) == [0.5, 1.0]
    with database.reading() as session:
        costs = sorted(row.cost_usd for row in session.query(CallRow))
    assert costs == [
        Decimal("0.000008"),
        Decimal("0.002"),
    ]  # 8 tokens at a dollar a million; one search of 2 a thousand


@pytest.fixture
def corpora(database: Database) -> None:
    with database.transaction() as session:
        for name, reach in (("open", None), ("home", ["local only"]), ("eu", ["*@eu"]), ("named", ["second", "*@eu"])):
            session.add(Corpus(name=name, pipeline={}, reach=reach))


@pytest.mark.parametrize(
    ("names", "first", "second", "local"),
    [
        (("open",), True, True, True),
        (("home",), False, False, True),
        (("eu",), True, False, True),
        (("named",), True, True, True),
        (("open", "eu"), True, False, True),
        (("eu", "home"), False, False, True),
    ],
)
@pytest.mark.usefixtures("corpora")
async def test_text_reaches_only_what_all_of_its_corpora_allow(
    database: Database, serve: Serve, names: tuple[str, ...], first: bool, second: bool, local: bool
) -> None:
    servers = {name: serve(Dialect()) for name in ("first", "second", "own")}
    made = settings(
        {
            "first": provider(servers["first"]),
            "second": provider(servers["second"], region="us"),
            "own": provider(servers["own"], region="", local=True),
        }
    )
    gateway = Gateway(made, database)
    for name, allowed in (("first", first), ("second", second), ("own", local)):
        purpose = CallContext(None, ANN, names)
        if allowed:
            assert await ask(gateway, f"{name}/small", purpose) == "Hello there."
        else:
            with pytest.raises(ModelNotAllowed, match="may not reach"):
                await ask(gateway, f"{name}/small", purpose)
        assert len(servers[name].requests) == allowed


@pytest.mark.usefixtures("corpora")
async def test_a_fallback_that_may_not_read_the_corpus_is_passed_over(database: Database, serve: Serve) -> None:
    servers = serve(Dialect(), Reply(status=500)), serve(Dialect()), serve(Dialect())
    chain = {"first/small": {"fallback": ["second/small", "third/small"]}}
    providers = {
        "first": provider(servers[0]),
        "second": provider(servers[1], region="us"),
        "third": provider(servers[2]),
    }
    assert await ask(Gateway(settings(providers, chain), database), purpose=CallContext(None, ANN, ("eu",)))
    assert [len(server.requests) for server in servers] == [1, 0, 1]


@pytest.mark.usefixtures("corpora")
async def test_models_may_be_for_some_corpora_and_groups_alone(database: Database, serve: Serve) -> None:
    server = serve(Dialect())
    made = settings({"first": provider(server)}, {"first/small": {"corpora": ["open"], "groups": ["board"]}})
    gateway = Gateway(made, database)
    board = Reader(key_id=None, user="bob", groups=frozenset({"board"}))
    assert await ask(gateway, purpose=CallContext(None, board, ("open",)))
    with pytest.raises(ModelNotAllowed, match="corpus 'eu'"):
        await ask(gateway, purpose=CallContext(None, board, ("open", "eu")))
    with pytest.raises(ModelNotAllowed, match="groups"):
        await ask(gateway, purpose=CallContext(None, ANN, ("open",)))


@pytest.mark.usefixtures("corpora")
async def test_deployments_default_holds_where_a_corpus_says_nothing(database: Database, serve: Serve) -> None:
    server = serve(Dialect())
    gateway = Gateway(settings({"first": provider(server)}, data={"reach": ["local only"]}), database)
    with pytest.raises(ModelNotAllowed):
        await ask(gateway, purpose=CallContext(None, ANN, ("open",)))
    assert await ask(gateway, purpose=CallContext(None, ANN, ("eu",)))


@pytest.mark.usefixtures("corpora")
async def test_who_may_not_ask_a_model_is_told_so_though_its_provider_is_left_alone(
    database: Database, serve: Serve
) -> None:
    server = serve(Dialect(), Reply(status=500))
    made = settings({"first": provider(server, breaker_failures=1)}, {"first/small": {"groups": ["staff"]}})
    gateway = Gateway(made, database)
    for expected in (ProviderError, ProviderSuspended):
        with pytest.raises(expected):
            await ask(gateway)
    with pytest.raises(ModelNotAllowed, match="groups"):
        await ask(gateway, purpose=CallContext(None, Reader(key_id=None, user="bob")))


@pytest.mark.usefixtures("corpora")
async def test_text_that_may_no_longer_reach_a_provider_is_not_sent_by_a_further_attempt(
    database: Database, serve: Serve
) -> None:
    server = serve(Dialect(), Reply(status=500), Reply())
    made = settings({"first": provider(server, max_retries=1)})
    gateway = Gateway(made, database, jitter=lambda: 4.0)  # over two seconds between the attempts
    asking = asyncio.create_task(ask(gateway, purpose=CallContext(None, ANN, ("open",))))
    await asyncio.to_thread(eventually, lambda: server.requests)
    with database.transaction() as session:
        session.execute(update(Corpus).where(Corpus.name == "open").values(reach=["local only"]))
    with pytest.raises(ModelNotAllowed, match="may not reach"):
        await asking
    assert len(server.requests) == 1
    with database.reading() as session:
        assert session.scalars(select(CallRow.status)).all() == ["failed"]
