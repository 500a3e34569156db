"""A sentence of a model that its sources do not hold is marked, or left out."""

from answering.events import Token
from answering.guard import Guard
from answering.pack import join
from answering.prompt import NOT_ANSWERED
from answering.support import MARK, Support
from answering.verify import Checker
from tests.fakes.embedder import WordsEmbedder
from tests.fakes.passages import passage

LEAVE = "Staff get 28 days of leave. Unused leave expires in March. Ask Jo about exceptions."
PRICES = "Plan: Gold; Price: 99 EUR\nPlan: Basic; Price: 10 EUR"
SOURCES = join([passage(LEAVE, document="leave.md"), passage(PRICES, document="prices.md")])


def check(text: str, *, cut: bool = False, embedder: WordsEmbedder | None = None) -> tuple[str, Checker]:
    guard = Guard("question", SOURCES, "0123456789abcdef", ())
    support = Support("question", SOURCES, embedder)
    checker = Checker("question", SOURCES, guard, support=support, cut=cut)
    events = [*checker.feed(text), *checker.finish()]
    return "".join(e.text for e in events if isinstance(e, Token)), checker


def test_what_the_cited_source_holds_is_left_alone() -> None:
    said = "Staff get 28 days of leave [1]. The Gold plan has a price of 99 EUR [2]. Yes."
    text, checker = check(said)
    assert text == said
    assert checker.note == ""


def test_wrong_number_is_marked_behind_its_sentence_and_named_in_the_note() -> None:
    text, checker = check("Staff get 30 days of leave [1]. Unused leave expires in March [1].")
    assert text == f"Staff get 30 days of leave [1]. {MARK} Unused leave expires in March [2]."
    assert "30" in checker.note


def test_number_of_another_source_than_the_cited_one_is_marked() -> None:
    assert check("The Gold plan has a price of 99 EUR [1].")[0].endswith(MARK)


def test_claim_that_no_source_makes_is_marked_also_without_a_marker() -> None:
    text, _ = check("Contractors receive free lunches and gym passes.")
    assert text.endswith(MARK)


def test_policy_cuts_the_sentence_with_its_citation() -> None:
    text, checker = check("Staff get 30 days of leave [1]. Unused leave expires in March [1].", cut=True)
    assert text == "Unused leave expires in March [1]."
    assert [c.quote for c in checker.citations] == ["Unused leave expires in March."]
    assert "left out" in checker.note


def test_nearness_speaks_for_a_claim_in_other_words_where_words_alone_leave_it_open() -> None:
    claim = "Unused leave disappears once March arrives [1]."
    embedder = WordsEmbedder(dimension=512)
    check(claim, embedder=embedder)
    assert embedder.texts, "a doubtful claim is compared by meaning"


def test_refusal_and_another_language_are_not_held_against_the_words() -> None:
    assert check(NOT_ANSWERED)[0] == NOT_ANSWERED
    assert MARK not in check("Die Mitarbeiter haben einen Anspruch auf 28 Tage [1].")[0]
    assert check("Die Mitarbeiter haben einen Anspruch auf 30 Tage [1].")[0].endswith(MARK)
