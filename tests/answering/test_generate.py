"""Whole answers by a language model behind OpenAI's wire format: checked, cited, paid for, stored."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from answering.answer import Cited, Done, Query, Sources, Token, answer
from answering.prompt import NOT_ANSWERED
from moat.errors import ProviderError
from moat.records import Answer, Reader
from moat.settings import Settings
from moat.tables import AnswerRow, CallRow, Corpus
from tests.fakes.library import Library
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server

pytestmark = pytest.mark.anyio

TEXT = "Every employee gets 28 days of paid vacation each year.\n\nUnused vacation expires in March."
QUESTION = "How many days of paid vacation does an employee get?"
Serve = Callable[..., tuple[Library, FakeOpenAI]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*replies: Reply, **model: Any) -> tuple[Library, FakeOpenAI]:
            fake = stack.enter_context(openai_server(*replies))
            prices = {"input_usd_per_million": "1", "cached_usd_per_million": "0.5", "output_usd_per_million": "2"}
            settings = Settings(
                home=tmp_path,
                providers={"fake": {"base_url": fake.url, "max_retries": 1}},
                models={"fake/small": {"max_output_tokens": 50} | prices | model},
            )
            library = Library(tmp_path, settings)
            stack.callback(library.close)
            library.add(library.corpus("hr"), "handbook.md", TEXT, title="Handbook")
            return library, fake

        yield start


async def collect(library: Library, reader: Reader, question: str = QUESTION) -> tuple[list[Any], Answer]:
    events = [event async for event in answer(Query(question), reader, library.parts)]
    assert isinstance(events[-1], Done)
    return events, events[-1].answer


async def test_models_answer_is_checked_cited_and_paid_for(serve: Serve, reader: Reader) -> None:
    library, _ = serve(Reply(pieces=("An employee gets 28 days", " of vacation [1", "]. Wrong marker [7].")))
    events, done = await collect(library, reader)

    assert done.answer == "An employee gets 28 days of vacation [1]. Wrong marker."
    assert [type(e) for e in events] == [Sources, Cited, Token, Token, Done]
    assert done.model == "fake/small"
    assert done.cost.total_usd == Decimal("0.001")
    citation = done.citations[0]
    assert citation.quote == "Every employee gets 28 days of paid vacation each year."
    assert TEXT[slice(*citation.span)] == citation.quote
    with library.database.reading() as session:
        row = session.get_one(AnswerRow, done.id)
        call = session.query(CallRow).one()
    assert row.status == "answered"
    assert row.body is not None
    assert row.body["cost"]["total_usd"] == "0.001"
    assert row.body["cost"]["calls"][0]["usage"] == "reported"
    assert (call.answer_id, call.corpora, call.user) == (done.id, ["hr"], "ann")


async def test_nothing_relevant_spends_nothing(serve: Serve, reader: Reader) -> None:
    library, fake = serve()
    _, done = await collect(library, reader, "Zebra quantum orbit telescope?")
    assert done.abstained
    assert fake.requests == []
    assert done.cost.calls == ()


async def test_model_that_finds_no_answer_abstains_and_its_call_is_shown(serve: Serve, reader: Reader) -> None:
    library, _ = serve(Reply(pieces=(NOT_ANSWERED,)))
    _, done = await collect(library, reader)
    assert (done.abstained, done.answer, len(done.cost.calls)) == (True, NOT_ANSWERED, 1)


async def test_answer_without_a_source_and_cut_at_the_limit_says_so(serve: Serve, reader: Reader) -> None:
    library, _ = serve(Reply(pieces=("It depends on",), finish_reason="length"))
    _, done = await collect(library, reader)
    assert "output limit" in done.note
    assert "no source" in done.note


async def test_failing_provider_leaves_a_failed_answer_with_its_calls(serve: Serve, reader: Reader) -> None:
    library, _ = serve(Reply(status=500, headers={"Retry-After": "0"}))
    query = Query(QUESTION)
    with pytest.raises(ProviderError):
        [event async for event in answer(query, reader, library.parts)]
    with library.database.reading() as session:
        row = session.get_one(AnswerRow, query.answer_id)
    assert row.status == "failed"
    assert row.body is not None
    assert "500" in row.body["note"]
    assert [call["status"] for call in row.body["cost"]["calls"]] == ["failed", "failed"]


async def test_cut_stream_is_never_a_short_answer(serve: Serve, reader: Reader) -> None:
    library, _ = serve(Reply(pieces=("An employee gets 28 days of vacation [1]. And", " more"), cut_after=1))
    query = Query(QUESTION)
    with pytest.raises(ProviderError, match="broke off"):
        [event async for event in answer(query, reader, library.parts)]
    with library.database.reading() as session:
        assert session.get_one(AnswerRow, query.answer_id).status == "failed"


async def test_reader_who_leaves_mid_answer_leaves_its_cost_in_the_stored_answer(serve: Serve, reader: Reader) -> None:
    library, _ = serve(Reply(pieces=("An employee gets 28 days [1]. ", "More", " to", " come.")))
    query = Query(QUESTION)
    events = answer(query, reader, library.parts)
    async for event in events:
        if isinstance(event, Token):
            break
    await events.aclose()
    with library.database.reading() as session:
        row = session.get_one(AnswerRow, query.answer_id)
    assert row.status == "failed"
    assert row.body is not None
    assert row.body["answer"].startswith("An employee gets 28 days [1].")
    assert row.body["cost"]["total_usd"] == "0.001"


async def test_small_window_gets_fewer_sources(serve: Serve, reader: Reader) -> None:
    library, fake = serve(Reply(pieces=("Yes [1].",)), context_window=900)
    corpus = library.corpus("more")
    for number in range(6):
        library.add(corpus, f"{number}.md", f"Rule {number} on paid vacation of an employee: " + "word " * 150)
    await collect(library, reader)
    assert 1 <= fake.requests[0]["messages"][1]["content"].count("\n<source-") < 4


async def test_another_groups_text_reaches_neither_prompt_nor_answer(serve: Serve, reader: Reader) -> None:
    library, fake = serve(Reply(pieces=("It is so [1][2].",)))
    with library.database.reading() as session:
        corpus = session.query(Corpus).one().id
    library.add(corpus, "board.md", "The board gets 99 days of paid vacation.", access=("board",), title="Board only")
    events, done = await collect(library, reader)
    assert "99 days" not in str(fake.requests)
    assert "Board only" not in str((events, done))
    assert len(events[0].passages) == 2
