"""The model path against a server that speaks OpenAI's wire format: text, bills, retries, and what goes wrong."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import openai
import pytest

from moat import ledger
from moat.database import Database
from moat.errors import CallTooDear, InvalidRequest, ProviderBroken, ProviderError, ProviderTimeout, UnpricedModel
from moat.llm.gateway import CallContext, Delta, Gateway, Message
from moat.llm.price_book import bill_again
from moat.records import Call, Reader
from moat.settings import Settings
from moat.tables import CallRow
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server

pytestmark = pytest.mark.anyio

MODEL = "fake/small"
PROMPT = (Message("system", "Be brief."), Message("user", "Say hello."))
# 600 fresh at 1, 400 cached at 0.5 and 100 output at 2 dollars a million.
COST = Decimal("0.001")


def gateway(database: Database, fake: FakeOpenAI, **answering: Any) -> Gateway:
    settings = Settings(
        providers={"fake": {"base_url": fake.url, "api_key": "sk-test"}},
        models={
            MODEL: {
                "max_output_tokens": 50,
                "input_usd_per_million": "1",
                "cached_usd_per_million": "0.5",
                "output_usd_per_million": "2",
            }
        },
        answering={"deadline_s": 20, "drain_s": 5} | answering,
    )
    return Gateway(settings, database, jitter=lambda: -0.5)  # no wait between attempts


async def ask(gateway: Gateway, answer_id: UUID | None = None, most_usd: Decimal | None = None) -> list[Delta]:
    reader = Reader(key_id=None, user="ann")
    purpose = CallContext(answer_id, reader, ("hr",), most_usd=most_usd)
    return [delta async for delta in gateway.stream(MODEL, PROMPT, purpose=purpose)]


def rows(database: Database) -> list[CallRow]:
    with database.reading() as session:
        return sorted(session.query(CallRow), key=lambda row: row.attempt)


async def test_text_streams_and_the_reported_usage_is_billed_exactly(database: Database) -> None:
    with openai_server() as fake:
        deltas = await ask(gateway(database, fake), wanted := uuid4())

    assert "".join(delta.text for delta in deltas) == "Hello there."
    assert deltas[-1].finish_reason == "stop"
    row = rows(database)[0]
    with database.reading() as session:
        cost = ledger.cost_of(session, wanted)
        assert bill_again(session, row).cost_usd == row.cost_usd
    assert cost.total_usd == Decimal("0.001")
    assert cost.calls == (
        Call("answer", "fake", "small", 1000, 400, 100, 25, Decimal("0.001"), "reported", row.price_version, 1, "ok"),
    )
    assert (row.model_returned, row.request_id, row.corpora) == ("small-2026", "chatcmpl-fake", ["hr"])
    assert row.raw_usage["usage"]["prompt_tokens_details"] == {"cached_tokens": 400}
    assert row.price_version.startswith("settings ")
    assert row.ceiling_usd >= Decimal("0.0001")


async def test_provider_gets_the_prompt_the_key_and_the_limits(database: Database) -> None:
    with openai_server() as fake:
        await ask(gateway(database, fake))
    sent = fake.requests[0]
    assert fake.authorizations == ["Bearer sk-test"]
    assert sent["model"] == "small"
    assert sent["max_tokens"] == 50
    assert sent["stream_options"] == {"include_usage": True}
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [(m.role, m.text) for m in PROMPT]


async def test_usage_that_is_not_reported_is_counted_and_marked(database: Database) -> None:
    with openai_server(Reply(usage=None)) as fake:
        deltas = await ask(gateway(database, fake))
    row = rows(database)[0]
    assert (row.usage, row.status, row.output_tokens) == ("estimated", "ok", 3)
    assert row.input_tokens > 5
    assert row.cost_usd == (row.input_tokens + 2 * row.output_tokens) / Decimal(1_000_000)
    usage = deltas[-1].usage
    assert usage is not None
    assert not usage.reported


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_retryable_refusal_is_tried_again_and_every_attempt_has_its_row(database: Database, status: int) -> None:
    with openai_server(Reply(status=status, headers={"Retry-After": "0"}), Reply()) as fake:
        deltas = await ask(gateway(database, fake))
    assert "".join(delta.text for delta in deltas) == "Hello there."
    assert [(r.attempt, r.status, r.cost_usd) for r in rows(database)] == [(1, "failed", 0), (2, "ok", COST)]


async def test_attempts_end_with_the_providers_error(database: Database) -> None:
    with openai_server(Reply(status=500)) as fake, pytest.raises(ProviderError, match="status 500"):
        await ask(gateway(database, fake))
    assert [row.status for row in rows(database)] == ["failed"] * 3


async def test_retry_after_beyond_the_deadline_is_not_waited_for(database: Database) -> None:
    with openai_server(Reply(status=429, headers={"Retry-After": "3600"})) as fake:
        with pytest.raises(ProviderError, match="429"):
            await ask(gateway(database, fake))
        assert len(fake.requests) == 1


async def test_bad_request_is_not_tried_again_and_a_refused_key_is_not_repeated(database: Database) -> None:
    with openai_server(Reply(status=400), Reply(status=401)) as fake:
        with pytest.raises(ProviderError, match="400"):
            await ask(gateway(database, fake))
        with pytest.raises(ProviderError, match="refused the key") as refused:
            await ask(gateway(database, fake))
        assert len(fake.requests) == 2
    assert "scripted" not in refused.value.detail
    assert sum(row.cost_usd for row in rows(database)) == 0


@pytest.mark.parametrize("cut_after", [1, 2])
async def test_cut_stream_is_an_error_and_booked_at_its_ceiling(database: Database, cut_after: int) -> None:
    with openai_server(Reply(cut_after=cut_after)) as fake:
        with pytest.raises(ProviderError, match="broke off"):
            await ask(gateway(database, fake))
        assert len(fake.requests) == 1
    row = rows(database)[0]
    assert (row.status, row.cost_usd, row.usage) == ("presumed", row.ceiling_usd, "estimated")


async def test_error_inside_the_stream_is_an_error(database: Database) -> None:
    with openai_server(Reply(error_in_stream="overloaded")) as fake, pytest.raises(ProviderError, match="overloaded"):
        await ask(gateway(database, fake))


async def test_slow_provider_meets_the_deadline(database: Database) -> None:
    with openai_server(Reply(pause_before=1)) as fake, pytest.raises(ProviderTimeout, match=r"within 0\.5 seconds"):
        await ask(gateway(database, fake, deadline_s=0.5))
    assert [row.status for row in rows(database)] == ["presumed"]


async def test_provider_that_cannot_be_reached_costs_nothing(database: Database) -> None:
    with openai_server() as fake:
        pass
    with pytest.raises(ProviderError, match="cannot be reached"):
        await ask(gateway(database, fake))
    assert [(row.status, row.cost_usd) for row in rows(database)] == [("failed", 0)] * 3


async def leave_early(gateway: Gateway, fake: FakeOpenAI) -> None:
    purpose = CallContext(None, Reader(key_id=None, user="ann"))
    stream = gateway.stream(MODEL, PROMPT, purpose=purpose)
    assert (await anext(stream)).text == "Hello"
    await asyncio.to_thread(fake.reached_pause.wait, 10)
    await stream.aclose()


async def test_reader_who_leaves_is_still_billed_what_the_call_cost(database: Database) -> None:
    with openai_server(Reply(pause_before=1)) as fake:
        leaving = asyncio.create_task(leave_early(gateway(database, fake), fake))
        await asyncio.to_thread(fake.reached_pause.wait, 10)
        fake.go.set()
        await leaving
    assert [(row.status, row.cost_usd) for row in rows(database)] == [("ok", COST)]


async def test_call_that_outlasts_the_drain_is_presumed_at_its_ceiling_and_hung_up(database: Database) -> None:
    with openai_server(Reply(pieces=("Hello", *[" more"] * 5000), pause_before=1)) as fake:
        await leave_early(gateway(database, fake, drain_s=0.2), fake)
        fake.go.set()
        assert await asyncio.to_thread(fake.hung_up.wait, 10)
    row = rows(database)[0]
    assert (row.status, row.cost_usd) == ("presumed", row.ceiling_usd)


async def test_cancelled_task_still_books_its_call(database: Database) -> None:
    with openai_server(Reply(pause_before=1)) as fake:
        asking = asyncio.create_task(ask(gateway(database, fake)))
        await asyncio.to_thread(fake.reached_pause.wait, 10)
        fake.go.set()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert [(row.status, row.cost_usd) for row in rows(database)] == [("ok", COST)]


async def test_models_without_price_provider_or_room_are_refused_before_any_call(database: Database) -> None:
    with openai_server() as fake:
        server = {"base_url": fake.url}
        settings = Settings(
            providers={"fake": server, "own": server | {"free": True}},
            models={"fake/unheard-of": {}, "nowhere/x": {}, "own/tiny": {"context_window": 512}},
        )
        refusing = Gateway(settings, database)
        purpose = CallContext(None, Reader(key_id=None, user="ann"))
        long = (Message("user", "word " * 600),)
        for model, prompt, error in [
            ("fake/unheard-of", PROMPT, UnpricedModel),
            ("nowhere/x", PROMPT, InvalidRequest),
            ("fake/none", PROMPT, InvalidRequest),
            ("own/tiny", long, InvalidRequest),
        ]:
            with pytest.raises(error):
                await anext(refusing.stream(model, prompt, purpose=purpose))
        assert fake.requests == []
    assert rows(database) == []


def test_models_are_listed_with_prices_where_known(database: Database) -> None:
    settings = Settings(
        providers={"openai": {}, "own": {"free": True}, "odd": {}},
        models={"openai/gpt-4o-mini": {}, "own/llama": {}, "odd/one": {}},
    )
    listed = {m.id: (m.input_usd_per_million, m.output_usd_per_million) for m in Gateway(settings, database).models()}
    assert listed == {
        "extractive": (0, 0),
        "openai/gpt-4o-mini": (Decimal("0.15"), Decimal("0.6")),
        "own/llama": (0, 0),
        "odd/one": (None, None),
    }
    assert [m.id for m in Gateway(settings, database).models() if m.default] == ["openai/gpt-4o-mini"]


async def test_the_real_openai_client_finds_the_fake_true_to_the_wire() -> None:
    with openai_server(Reply(), Reply(), Reply(status=429, headers={"Retry-After": "0"})) as fake:
        client = openai.AsyncOpenAI(base_url=fake.url, api_key="sk", max_retries=0)
        whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert whole.choices[0].message.content == "Hello there."
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello there."
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.prompt_tokens == 1000
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert [model.id async for model in client.models.list()] == ["fake-model"]


async def test_a_tool_call_is_told_and_not_made(database: Database) -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "delete", "arguments": "{}"}}
    with openai_server(Reply(tool_calls=(call,), finish_reason="tool_calls")) as fake:
        deltas = await ask(gateway(database, fake))
    assert "".join(delta.text for delta in deltas) == "Hello there."
    assert deltas[-1].tool_call
    assert len(fake.requests) == 1
    assert "tools" not in fake.requests[0]


async def test_a_tool_call_that_cannot_be_read_is_told_as_any_other(database: Database) -> None:
    calls = ({"index": 0, "id": "c", "function": {"name": "delete"}}, {"index": 0, "function": None})
    with openai_server(Reply(tool_calls=calls)) as fake:
        deltas = await ask(gateway(database, fake))
    assert "".join(delta.text for delta in deltas) == "Hello there."
    assert deltas[-1].tool_call


async def test_what_an_answer_may_cost_is_for_all_of_its_attempts_together(database: Database) -> None:
    with openai_server(Reply(cut_after=0), Reply()) as fake:
        calls = gateway(database, fake)
        ceiling = calls.quote(MODEL, PROMPT).ceiling_usd
        with pytest.raises(ProviderBroken):  # it may be billed, so there is no room for another
            await ask(calls, uuid4(), ceiling * Decimal("1.5"))
    assert [(row.attempt, row.status, row.cost_usd) for row in rows(database)] == [(1, "presumed", ceiling)]
    with openai_server(Reply(cut_after=0), Reply()) as fake:
        deltas = await ask(gateway(database, fake), uuid4(), ceiling * 2)
        assert "".join(delta.text for delta in deltas) == "Hello there."
        assert len(fake.requests) == 2
        with pytest.raises(CallTooDear, match="max_cost_usd is"):
            await ask(gateway(database, fake), uuid4(), ceiling / 2)
        assert len(fake.requests) == 2
