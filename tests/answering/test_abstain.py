"""When what was found is no answer, and what that is judged by."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from answering.abstain import MODEL, decide, signals
from answering.evidence import weigh
from moat.records import ArmScore, Passage
from tests.fakes.embedder import WordsEmbedder
from tests.fakes.passages import passage

QUESTION = "How many tonnes does the crane lift?"


def found(*texts: str) -> list[Passage]:
    return [
        replace(
            passage(text, document=f"{rank}.md"),
            arms={"dense": ArmScore(rank, 0.8 / rank), "sparse": ArmScore(rank, 20 / rank)},
        )
        for rank, text in enumerate(texts, 1)
    ]


def likeliness(passages: Sequence[Passage], question: str = QUESTION) -> float:
    evidence = weigh(question, passages, WordsEmbedder(dimension=512))
    return decide(question, passages, evidence, 0.5).likeliness


def test_passage_that_answers_is_likelier_than_one_about_something_else() -> None:
    right = likeliness(found("The crane lifts 12 tonnes.", "The canteen is open."))
    near = likeliness(found("The crane is blue.", "The canteen is open."))
    wrong = likeliness(found("The canteen serves soup.", "Visitors sign in."))
    assert right > near > wrong
    assert right > 0.5 > wrong


def test_threshold_decides() -> None:
    passages = found("The crane lifts 12 tonnes.")
    evidence = weigh(QUESTION, passages, WordsEmbedder(dimension=512))
    assert decide(QUESTION, passages, evidence, 0.0).answers
    assert not decide(QUESTION, passages, evidence, 1.0).answers


def test_every_signal_has_its_weight_and_one_arm_alone_can_be_judged() -> None:
    passages = [replace(p, arms={"dense": p.arms["dense"]}) for p in found("The crane lifts 12 tonnes.")]
    evidence = weigh(QUESTION, passages, WordsEmbedder(dimension=512))
    assert {"base", *signals(passages, evidence)} == set(MODEL)
    assert decide(QUESTION, passages, evidence, 0.5).answers


def test_nothing_found_is_never_an_answer() -> None:
    assert not decide("Anything?", [], weigh("Anything?", [], None), 0.0).answers


@pytest.mark.parametrize(("text", "answers"), [("Der Kran hebt zwölf Tonnen.", True), ("Suppe gibt es dort.", False)])
def test_where_meaning_tells_nothing_words_decide(text: str, answers: bool) -> None:
    question = "Wie viele Tonnen hebt der Kran?"
    passages = found(text)
    assert decide(question, passages, weigh(question, passages, None), 0.25).answers is answers
