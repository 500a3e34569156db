"""One contract for every wire format: the real SDK, under its adapter, against a server that speaks the format."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from moat.errors import (
    InvalidRequest,
    ProviderError,
    ProviderKeyRefused,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from moat.llm.price_list import sheet_of
from moat.llm.wires import wire_of
from moat.llm.wires.base import Message, Piece, Target
from moat.llm.wires.failures import AttemptFailed
from moat.provider_settings import ModelSettings, ProviderSettings
from tests.fakes.dialects import DIALECTS, VECTOR, Dialect, Reply, Used
from tests.fakes.model_server import MESSAGE, ModelServer, model_server

pytestmark = pytest.mark.anyio

PROMPT = (Message("system", "Be brief."), Message("user", "Say hello."))
KEY = "sk-very-secret"
PRICES = ModelSettings.model_validate(
    {
        "max_output_tokens": 50,
        "input_usd_per_million": "1",
        "cached_usd_per_million": "0.5",
        "output_usd_per_million": "2",
    }
)
Serve = Callable[..., ModelServer]


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.kind)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def serve(dialect: Dialect) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(model_server(dialect, *replies))


def target(server: ModelServer, model: str = "small", **more: Any) -> Target:
    settings = {
        "kind": server.dialect.kind,
        "base_url": server.url,
        "api_key": KEY,
        "region": "eu-central-1",
        "access_key_id": "AKIAFAKE",
        "secret_access_key": KEY,
        "deployments": {"small": "gpt-4o-mini"},
        "free": False,
    }
    return Target("fake", model, ProviderSettings.model_validate(settings | more), PRICES)


async def streamed(server: ModelServer, timeout_s: float = 20, **more: Any) -> list[Piece]:
    stream = wire_of(server.dialect.kind).stream(target(server, **more), PROMPT, timeout_s)
    async with aclosing(stream) as pieces:
        return [piece async for piece in pieces]


async def failing(server: ModelServer, timeout_s: float = 20) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as failed:
        await streamed(server, timeout_s)
    assert KEY not in str(failed.value.error.detail)
    return failed.value


def last(pieces: list[Piece], name: str) -> Any:
    return [value for piece in pieces if (value := getattr(piece, name))][-1]


async def test_stream_and_plain_answer_say_the_same_and_cost_the_same(serve: Serve, dialect: Dialect) -> None:
    server = serve()
    pieces = await streamed(server)
    whole = await wire_of(dialect.kind).complete(target(server), PROMPT, 20)

    assert "".join(piece.text for piece in pieces) == whole.text == "Hello there."
    assert last(pieces, "finish_reason") == whole.finish_reason == "stop"
    assert [piece.finish_reason for piece in pieces[:-2] if piece.finish_reason] == []
    usage = last(pieces, "usage")
    assert usage.reported
    assert whole.usage is not None
    cached = 400 if dialect.caches else 0
    reasoning = 25 if dialect.reasons else 0
    for each in (usage, whole.usage):
        assert (each.input_tokens, each.cached_input_tokens) == (1000, cached)
        assert (each.output_tokens, each.reasoning_tokens) == (100, reasoning)
    prices = sheet_of("fake", "small", target(server).server, PRICES)
    # 600 (or all 1000) fresh at 1, 400 cached at 0.5, 100 written at 2 dollars a million.
    assert prices.cost(usage) == prices.cost(whole.usage) == Decimal("0.001" if cached else "0.0012")


async def test_prompt_key_and_limit_reach_the_provider_and_no_tool_is_offered(serve: Serve, dialect: Dialect) -> None:
    server = serve()
    await streamed(server)
    sent, headers = str(server.requests[0]), str(server.headers[0])
    assert "Be brief." in sent
    assert "Say hello." in sent
    assert "50" in sent
    assert not server.requests[0].get("tools")
    assert KEY in headers or "AKIAFAKE" in headers
    assert len(server.requests) == 1


async def test_answer_at_its_limit_is_known_as_such(serve: Serve) -> None:
    assert last(await streamed(serve(Reply(finish="length"))), "finish_reason") == "length"


async def test_answer_names_the_model_and_the_request_where_the_format_has_them(serve: Serve, dialect: Dialect) -> None:
    pieces = await streamed(serve())
    if dialect.kind not in ("cohere", "bedrock"):
        assert last(pieces, "model_returned") == "small-2026" or dialect.kind == "azure"
    if dialect.kind not in ("ollama", "bedrock"):
        assert last(pieces, "request_id").endswith("fake")


async def test_usage_that_is_missing_or_unreadable_is_none_and_never_zero(serve: Serve, dialect: Dialect) -> None:
    for raw in ({}, dict.fromkeys(dialect.usage(Reply()))):
        pieces = await streamed(serve(Reply(raw_usage=raw)))
        assert last(pieces, "finish_reason") == "stop"
        assert not [piece.usage for piece in pieces if piece.usage]


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ProviderRefused, False),
        (401, ProviderKeyRefused, False),
        (403, ProviderKeyRefused, False),
        (404, ProviderRefused, False),
        (429, ProviderOverloaded, True),
        (500, ProviderError, True),
        (503, ProviderOverloaded, True),
    ],
)
async def test_refusals_are_told_apart_and_are_not_billed(
    serve: Serve, status: int, kind: type[ProviderError], retryable: bool
) -> None:
    server = serve(Reply(status=status, headers={"Retry-After": "7"}))
    failed = await failing(server)
    assert type(failed.error) is kind
    assert (failed.retryable, failed.billed) == (retryable, False)
    assert len(server.requests) == 1  # no SDK tries again by itself
    if server.dialect.kind != "ollama":  # its client does not hand on headers
        assert failed.retry_after_s == 7
    if kind is not ProviderKeyRefused:
        assert MESSAGE in failed.error.detail


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("way", ["cut_after", "garbage_after", "error_after"])
async def test_cut_malformed_and_failing_streams_are_errors_that_may_be_billed(
    serve: Serve, way: str, after: int
) -> None:
    failed = await failing(serve(Reply(**{way: after})))
    assert failed.billed
    assert failed.retryable


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_stream_that_ends_without_its_end_marker_has_no_finish_reason(serve: Serve, after: int) -> None:
    pieces = await streamed(serve(Reply(end_after=after)))
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == []


async def test_silent_provider_times_out_and_may_be_billed(serve: Serve, dialect: Dialect) -> None:
    failed = await failing(serve(Reply(pause_before=0)), timeout_s=1)
    assert isinstance(failed.error, ProviderTimeout)
    assert failed.billed


async def test_provider_that_is_away_costs_nothing(serve: Serve, dialect: Dialect) -> None:
    with model_server(dialect) as server:
        pass
    failed = await failing(server)
    assert isinstance(failed.error, ProviderUnreachable)
    assert (failed.retryable, failed.billed) == (True, False)


async def test_who_stops_reading_is_hung_up_on(serve: Serve, dialect: Dialect) -> None:
    server = serve(Reply(pieces=("Hello", *["more " * 200] * 3000), pause_before=1))
    stream = wire_of(dialect.kind).stream(target(server), PROMPT, 20)
    async for piece in stream:
        if piece.text:
            break
    await stream.aclose()
    server.go.set()
    assert server.hung_up.wait(10)


async def test_texts_are_embedded_in_their_order_with_their_usage(serve: Serve, dialect: Dialect) -> None:
    server = serve()
    model = "amazon.titan-embed-text-v2:0" if dialect.kind == "bedrock" else "small"
    wire = wire_of(dialect.kind)
    if not dialect.embeds:
        assert not wire.embeds
        with pytest.raises(InvalidRequest):
            await wire.embed(target(server), ["one"], 20, question=True)
        return
    found = await wire.embed(target(server, model), ["one", "two"], 20, question=True)
    assert found.vectors == [VECTOR, VECTOR]
    if dialect.kind != "google":  # which tells none
        assert found.said.usage is not None
        assert found.said.usage.input_tokens == 8


async def test_documents_are_scored_in_their_own_order(serve: Serve, dialect: Dialect) -> None:
    wire, server = wire_of(dialect.kind), serve()
    if not dialect.reranks:
        assert not wire.reranks
        with pytest.raises(InvalidRequest):
            await wire.rerank(target(server), "which?", ["a", "b"], 20)
        return
    found = await wire.rerank(target(server), "which?", ["a", "b"], 20)
    assert found.scores == [0.5, 1.0]
    assert found.said.usage is not None
    assert (found.said.usage.search_units, found.said.usage.input_tokens) in ((1, 0), (0, 12))


async def test_used_numbers_come_through_whatever_they_are(serve: Serve, dialect: Dialect) -> None:
    used = Used(input=123_457, cached=0, output=1, reasoning=0)
    usage = last(await streamed(serve(Reply(used=used))), "usage")
    assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (123_457, 0, 1)


@pytest.mark.parametrize("wanted", [False, True])
async def test_anthropic_is_asked_to_cache_the_instructions_only_where_that_is_set(wanted: bool) -> None:
    (dialect,) = [each for each in DIALECTS if each.kind == "anthropic"]
    with model_server(dialect, Reply()) as server:
        asked = target(server)
        known = asked.known.model_copy(update={"cache_prompt": wanted})
        await wire_of("anthropic").complete(replace(asked, known=known), PROMPT, 20)
        (request,) = server.requests
    cached = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert request["system"] == (cached if wanted else "Be brief.")
    assert "cache_control" not in str(request["messages"])
