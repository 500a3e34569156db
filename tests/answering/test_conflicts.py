"""Two documents with different figures for the same thing are shown beside each other."""

import pytest

from answering.answer import Query
from moat.records import Reader
from tests.fakes.asking import collect
from tests.fakes.library import Library

pytestmark = pytest.mark.anyio

QUESTION = "How many days of paid vacation does every employee get?"
OLD = "Every employee gets 25 days of paid vacation each year."
NEW = "Every employee gets 28 days of paid vacation each year."


async def test_both_figures_are_quoted_and_the_note_compares_them_by_marker_and_date(
    library: Library, reader: Reader
) -> None:
    corpus = library.corpus("hr")
    library.add(corpus, "handbook-2023.md", OLD, title="Handbook 2023")
    library.add(corpus, "handbook-2024.md", NEW, title="Handbook 2024")
    _, done = await collect(Query(QUESTION), reader, library)
    assert {OLD, NEW} <= {citation.quote for citation in done.citations}
    assert "sources_disagree" in done.flags
    assert "different figures" in done.note
    assert "[1] of 20" in done.note
    assert "Handbook" not in done.note, "a note stays when its citations are withheld"


async def test_same_figure_twice_and_other_facts_are_no_conflict(library: Library, reader: Reader) -> None:
    corpus = library.corpus("hr")
    library.add(corpus, "a.md", NEW)
    library.add(corpus, "b.md", NEW.replace("each year", "every year"))
    library.add(corpus, "c.md", "The sauna for every employee costs 12 EUR of fees.")
    _, done = await collect(Query(QUESTION), reader, library)
    assert "sources_disagree" not in done.flags
