"""Whole answers without a language model: what is told, what is stored, what is spent."""

from uuid import uuid4

import pytest

from answering.answer import Cited, Query, Sources, Token, answer
from moat.errors import InvalidRequest, NotFound
from moat.records import Reader
from moat.tables import AnswerRow
from tests.fakes.asking import collect
from tests.fakes.library import Library

pytestmark = pytest.mark.anyio

HANDBOOK = """Welcome to the handbook of the company, read it on your first day.

Every employee gets 28 days of paid vacation each year. Unused vacation expires in March.

The coffee machine on the second floor is cleaned on Fridays. Ask Jo about beans."""


async def test_extractive_answer_quotes_the_sentence_that_answers(library: Library, reader: Reader) -> None:
    handbook = library.add(library.corpus("hr"), "handbook.md", HANDBOOK, title="Handbook")
    events, done = await collect(Query("How many days of paid vacation does an employee get?"), reader, library)

    assert done.answer.startswith("Every employee gets 28 days of paid vacation each year. [1]")
    first = done.citations[0]
    assert (first.marker, first.document_id, first.title, first.corpus) == (1, handbook, "Handbook", "hr")
    assert not done.abstained
    assert done.model == "extractive"
    assert "no language model" in done.note
    assert done.cost.calls == ()
    assert "".join(e.text for e in events if isinstance(e, Token)) == done.answer
    assert [e.citation for e in events if isinstance(e, Cited)] == list(done.citations)


async def test_every_quote_stands_verbatim_at_its_span(library: Library, reader: Reader) -> None:
    corpus = library.corpus("hr")
    library.add(corpus, "handbook.md", HANDBOOK)
    library.add(corpus, "prices.md", "| Plan | Price |\n| Basic plan | 10 EUR |\n| Gold plan | 99 EUR |")
    for question in ("How many vacation days?", "What does the Gold plan cost?", "When is the coffee machine cleaned?"):
        _, done = await collect(Query(question), reader, library)
        assert done.citations
        for citation in done.citations:
            start, end = citation.span
            assert library.texts[citation.document_id][start:end] == citation.quote


async def test_abstention_names_what_was_searched_and_is_stored(library: Library, reader: Reader) -> None:
    library.add(library.corpus("hr"), "handbook.md", HANDBOOK, title="Handbook")
    events, done = await collect(Query("Zebra quantum orbit telescope?"), reader, library)

    assert done.abstained
    assert done.citations == ()
    assert events[0] == Sources(())
    assert "Searched: hr." in done.answer
    assert "Handbook" in done.answer
    with library.database.reading() as session:
        row = session.get_one(AnswerRow, done.id)
        assert (row.status, row.user) == ("abstained", "ann")


async def test_without_documents_it_says_so(library: Library, reader: Reader) -> None:
    _, none = await collect(Query("Is anything here?"), reader, library)
    assert "no corpus you may read" in none.answer
    library.corpus("empty")
    _, empty = await collect(Query("Is anything here?"), reader, library)
    assert "No document is ready there" in empty.answer


async def test_answer_is_stored_in_the_contract_shape(library: Library, reader: Reader) -> None:
    library.add(library.corpus("hr"), "handbook.md", HANDBOOK)
    wanted = uuid4()
    _, done = await collect(Query("How many days of vacation?", answer_id=wanted), reader, library)
    with library.database.reading() as session:
        row = session.get_one(AnswerRow, wanted)
    assert row.status == "answered"
    assert row.body is not None
    assert row.body["id"] == str(wanted)
    assert row.body["answer"] == done.answer
    assert row.body["cost"] == {"total_usd": "0", "saved_usd": "0", "calls": []}
    assert set(row.body["citations"][0]) == {
        "marker", "document_id", "title", "corpus", "page", "span", "quote", "score", "url", "flags",
    }  # fmt: skip
    assert {"embed_ms", "search_ms", "first_token_ms", "total_ms"} <= set(row.body["timings"])


async def test_unknown_model_and_unknown_corpus_are_refused_before_anything_is_told(
    library: Library, reader: Reader
) -> None:
    library.corpus("hr")
    with pytest.raises(InvalidRequest, match="no model 'gpt-9'") as refused:
        await anext(answer(Query("Why?", model="gpt-9"), reader, library.parts))
    assert "extractive" in refused.value.hint
    query = Query("Why?", corpora=("secret",))
    with pytest.raises(NotFound):
        await anext(answer(query, reader, library.parts))
    with library.database.reading() as session:
        assert session.get_one(AnswerRow, query.answer_id).status == "failed"


async def test_reader_who_leaves_early_leaves_a_closed_answer(library: Library, reader: Reader) -> None:
    library.add(library.corpus("hr"), "handbook.md", HANDBOOK)
    query = Query("How many days of vacation?")
    events = answer(query, reader, library.parts)
    await anext(events)
    await events.aclose()
    with library.database.reading() as session:
        row = session.get_one(AnswerRow, query.answer_id)
    assert row.status == "failed"
    assert row.body is not None
    assert "interrupted" in row.body["note"]
