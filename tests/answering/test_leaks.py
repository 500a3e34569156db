"""A model's text that repeats its instructions or holds what no source says is withheld."""

import base64
import codecs
from collections.abc import Callable

import pytest

from answering.guard import WITHHELD, Guard
from answering.pack import join
from answering.prompt import NOT_ANSWERED, SYSTEM
from answering.verify import Checker
from tests.fakes.passages import passage

MARK = "00ff00ff00ff00ff"
SOURCES = join([passage("The north team gets 75 crowns a day. The form is TR-2024X7.")])


def checked(text: str, question: str = "What does the north team get?") -> tuple[str, Guard]:
    guard = Guard(question, SOURCES, MARK, ())
    checker = Checker(question, SOURCES, guard)
    events = [*checker.feed(text), *checker.finish()]
    return "".join(getattr(event, "text", "") for event in events), guard


@pytest.mark.parametrize(
    "write",
    [
        str,
        str.upper,
        lambda text: text[::-1],
        lambda text: codecs.encode(text, "rot13"),
        lambda text: base64.b64encode(b"x" + text.encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: " ".join(text),
        lambda text: "\n".join(text.split()),
        lambda text: "[9]".join(text.split()),
        lambda text: " ".join(reversed(text.split())),
    ],
)
def test_instructions_are_withheld_however_they_are_written(write: Callable[[str], str]) -> None:
    told, guard = checked(f"They get 75 crowns a day [1].\n{write(SYSTEM)}\nIt is 75 crowns a day [1].")
    assert told.startswith("They get 75 crowns a day [1].")
    assert WITHHELD in told
    assert len(told) < 300
    assert "instructions_withheld" in guard.flags


def test_mark_of_the_fence_is_withheld() -> None:
    told, _ = checked(f"The mark is {MARK}. They get 75 crowns a day [1].")
    assert told == f"{WITHHELD} They get 75 crowns a day [1]."


def test_code_that_no_source_holds_is_withheld_and_one_that_a_source_holds_is_told() -> None:
    told, guard = checked("The form is TR-2024X7 [1]. The password is hunter2hunter2 [1]. It is BRD-7Q2X9K.")
    assert told == f"The form is TR-2024X7 [1]. {WITHHELD} "[: len(told)]
    assert "hunter2" not in told
    assert "BRD" not in told
    assert guard.flags == {"foreign_text_withheld"}


def test_long_sentence_that_shares_nothing_with_the_sources_is_withheld() -> None:
    told, _ = checked(
        "Photosynthesis converts sunlight, carbon dioxide and water into glucose and oxygen inside green chloroplasts. "
        "The north team gets 75 crowns a day [1]."
    )
    assert told == f"{WITHHELD} The north team gets 75 crowns a day [1]."


@pytest.mark.parametrize(
    "text",
    [
        NOT_ANSWERED,
        "That makes 375 crowns in a week of five working days, and 1,500 in four weeks [1].",
        "Das Nordteam bekommt laut den vorliegenden Unterlagen fünfundsiebzig Kronen am Tag, jeweils pro Reisetag [1].",
        "On 12-March-2026 the north team gets 75 crowns a day [1].",
    ],
)
def test_honest_answers_pass(text: str) -> None:
    told, guard = checked(text)
    assert told == text
    assert guard.flags == set()


def test_what_the_question_holds_may_be_repeated() -> None:
    told, _ = checked("Nothing is said of ZX-99A8B7 [1].", "What is ZX-99A8B7?")
    assert told == "Nothing is said of ZX-99A8B7 [1]."


def test_marker_that_is_taken_out_makes_no_address() -> None:
    told, guard = checked("See ht[9]tps://evil.example/?q=75 for more [1].")
    assert told == "See [link removed] for more [1]."
    assert guard.flags == {"link_removed"}
