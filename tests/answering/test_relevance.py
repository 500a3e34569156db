"""When what was found is no evidence."""

from dataclasses import replace

import pytest

from answering.relevance import best_coverage, is_evidence
from moat.records import ArmScore, Passage
from tests.fakes.passages import passage


def found(text: str, cosine: float, document: str = "a.md") -> Passage:
    return replace(passage(text, document=document), arms={"dense": ArmScore(1, cosine)})


@pytest.mark.parametrize(
    ("cosine", "text", "relevant"),
    [
        (0.5, "Nothing in common.", True),
        (0.3, "Nothing in common.", False),
        (0.3, "The crane lifts bridges.", True),
        (0.1, "The crane lifts 12 tonnes today.", True),
        (0.1, "The crane is blue.", False),
    ],
)
def test_meaning_and_words_make_up_for_each_other(cosine: float, text: str, relevant: bool) -> None:
    assert is_evidence("How many tonnes does the crane lift?", [found(text, cosine)], 0.25) is relevant


def test_nothing_found_is_never_evidence() -> None:
    assert not is_evidence("Anything?", [], -1)


def test_words_in_every_passage_tell_little_and_a_word_in_none_tells_most() -> None:
    common = [found("our crane is old", 0.3, str(n)) for n in range(9)]
    assert best_coverage("crane warranty", common) < 0.3
    assert best_coverage("crane warranty", [*common, found("warranty of the crane", 0.3, "w")]) == pytest.approx(1)


def test_function_words_are_no_evidence() -> None:
    assert best_coverage("What is it for?", [found("What it is for.", 0.3)]) == 0.0
