"""Questions that nobody foresaw get a sensible result: an answer with quotes that stand, or a plain refusal."""

import pytest

from answering.answer import Query
from moat.records import Reader
from tests.fakes.asking import collect
from tests.fakes.library import Library

pytestmark = pytest.mark.anyio

HANDBOOK = """Every employee gets 28 days of paid vacation each year.

SELECT name FROM staff WHERE team = 'north' lists the north team.

Jeder Mitarbeiter erhält 28 Tage Urlaub im Jahr.

员工每年有二十八天假期。"""


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("vacation", "28 days"),
        ("vacation? " * 5_000, "28 days"),
        ("SELECT name FROM staff WHERE team = 'north'", "SELECT name"),
        ("Wie viele Tage Urlaub erhält jeder Mitarbeiter im Jahr?", "28 Tage Urlaub"),
        ("员工每年有多少天假期？", "二十八天"),
        ("🙂🙂🙂", None),
        ("what is it and why would you do so", None),
        ("def f(x): return x[::-1] ** 2", None),
        ("?!…", None),
        ("Quel est le prix du sauna de Madrid ?", None),
    ],
)
async def test_result_is_sensible(library: Library, reader: Reader, question: str, quoted: str | None) -> None:
    library.add(library.corpus("hr"), "handbook.md", HANDBOOK, title="Handbook")
    _, done = await collect(Query(question), reader, library)
    assert done.abstained is (quoted is None)
    if quoted is None:
        assert "Searched: hr." in done.answer
        assert done.citations == ()
        return
    assert any(quoted in citation.quote for citation in done.citations)
    for citation in done.citations:
        assert library.texts[citation.document_id][slice(*citation.span)] == citation.quote
