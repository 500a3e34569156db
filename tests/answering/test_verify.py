"""What a model writes is checked before it is seen: markers, quotes, whole sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answering.events import Cited, Token
from answering.guard import Guard
from answering.pack import Source, join
from answering.verify import Checker
from tests.fakes.passages import document_id, passage

PREFIX = "Introduction that is not in the passage. "
LEAVE = "Staff get 28 days of leave. Unused leave expires in March. Ask Jo about exceptions."
PRICES = "Plan: Gold; Price: 99 EUR\nPlan: Basic; Price: 10 EUR"
CANONICAL = {document_id("leave.md"): PREFIX + LEAVE, document_id("prices.md"): PRICES}


def sources() -> tuple[Source, ...]:
    ranked = [passage(LEAVE, document="leave.md", start=len(PREFIX), page=3), passage(PRICES, document="prices.md")]
    return join(ranked)


def checker_of(question: str, read: tuple[Source, ...]) -> Checker:
    return Checker(question, read, Guard(question, read, "0123456789abcdef", ()))


def check(text: str, piece: int = 3) -> tuple[str, Checker, list[Token | Cited]]:
    checker = checker_of("question", sources())
    events = [event for at in range(0, len(text), piece) for event in checker.feed(text[at : at + piece])]
    events += checker.finish()
    return "".join(e.text for e in events if isinstance(e, Token)), checker, events


def test_citation_quotes_the_sentence_that_supports_the_claim() -> None:
    text, checker, _ = check("Leave that is unused expires in March [1]. Gold is 99 EUR [2].")
    assert text == "Leave that is unused expires in March [1]. Gold is 99 EUR [2]."
    assert [(c.marker, c.quote, c.page) for c in checker.citations] == [
        (1, "Unused leave expires in March.", 3),
        (2, "Plan: Gold; Price: 99 EUR", None),
    ]


def test_two_claims_on_one_source_get_a_marker_each_and_a_repeated_quote_keeps_its_own() -> None:
    text, checker, _ = check("There are 28 days of leave [1]. Unused leave expires [1]. So 28 days of leave [1].")
    assert text == "There are 28 days of leave [1]. Unused leave expires [2]. So 28 days of leave [1]."
    assert [c.quote for c in checker.citations] == ["Staff get 28 days of leave.", "Unused leave expires in March."]


def test_markers_of_no_source_are_removed() -> None:
    text, checker, _ = check("Gold costs 99 EUR [2][7]. Nobody says this [9]. Basic costs 10 EUR [2, 8].")
    assert text == "Gold costs 99 EUR [1]. Nobody says this. Basic costs 10 EUR [2]."
    assert len(checker.citations) == 2


def test_marker_after_the_full_stop_belongs_to_its_sentence() -> None:
    text, checker, _ = check("Gold costs 99 EUR. [2] Unused leave expires in March. [1]")
    assert text == "Gold costs 99 EUR. [1] Unused leave expires in March. [2]"
    assert [c.quote for c in checker.citations] == ["Plan: Gold; Price: 99 EUR", "Unused leave expires in March."]


def test_nothing_is_told_before_its_sentence_is_complete() -> None:
    checker = checker_of("question", sources())
    assert checker.feed("Gold costs 99 EUR [2") == []
    assert checker.feed("]. ") == []
    events = checker.feed("Next")
    assert [type(e) for e in events] == [Cited, Token]
    assert checker.finish() == [Token("Next")]


def test_other_brackets_are_text() -> None:
    text, checker, _ = check("See [Appendix A] and [x]. It holds since [2024].")
    assert text == "See [Appendix A] and [x]. It holds since [2024]."
    assert checker.citations == []


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_text_is_the_same_however_it_is_cut_into_pieces(piece: int) -> None:
    written = "Two plans exist:\n\n- Gold is 99 EUR [2]\n- Basic is 10 EUR 【2】\n\nThat is all. Really? Yes [1]!"
    assert check(written, piece)[0] == check(written, 5)[0]


@given(st.lists(st.sampled_from(["leave ", "99 EUR", ". ", "\n", "[1]", "[2]", "[1, 2]", "[5]", " March", "[", "]"])))
def test_every_quote_stands_in_the_canonical_text_and_every_marker_resolves(words: list[str]) -> None:
    text, checker, events = check("".join(words))
    shown = {e.citation.marker for e in events if isinstance(e, Cited)}
    assert shown == {c.marker for c in checker.citations} == set(range(1, len(checker.citations) + 1))
    for citation in checker.citations:
        start, end = citation.span
        assert CANONICAL[citation.document_id][start:end] == citation.quote
        assert f"[{citation.marker}]" in text
