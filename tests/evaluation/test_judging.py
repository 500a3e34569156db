"""Verdicts on answers, by number, by word and by sentence, without a model."""

from decimal import Decimal

import pytest

from evaluation.judging import judge, numbers_in
from evaluation.records import Question, Verdict


def about(answer: str | None = None, sentence: str | None = None, *, answerable: bool = True) -> Question:
    return Question("q", "?", {"a.md": 1} if answerable else {}, sentence, answer, answerable)


@pytest.mark.parametrize(
    ("expected", "said", "verdict"),
    [
        ("Kawann Short", "The most sacks had Kawann Short [1].", "correct"),
        ("Kawann Short", "It was Jared Allen [1].", "wrong"),
        ("30 days", "You get 30 days a year [1].", "correct"),
        ("30 days", "You get 25 days a year [30].", "wrong"),  # a marker is no number of the answer
        ("$1,577.00", "Capital expenditure was 1577 million dollars.", "correct"),
        ("$1577 million", "It was $1,578 million.", "wrong"),
        ("1.577,50 Euro", "Es sind 1577,5 Euro.", "correct"),
        ("vier", "Es waren vier Bälle.", "correct"),
        (
            "More than 10 business days within a 30-day period needs additional approval",
            "Approval is needed for over 10 business days in a period of 30 days [1].",
            "correct",
        ),
        (
            "More than 10 business days within a 30-day period needs additional approval",
            "Approval is needed for over 10 business days in a period of 60 days [1].",
            "partly",
        ),
        ("By mail to the safety officer on the same day", "Mail the officer at once [1].", "partly"),
        ("By mail to the safety officer on the same day", "The canteen opens at noon.", "wrong"),
    ],
)
def test_an_answer_is_held_against_the_expected_one(expected: str, said: str, verdict: Verdict) -> None:
    assert judge(about(expected), said, (), abstained=False) == verdict


def test_the_answering_sentence_counts_in_the_text_and_half_in_a_quote() -> None:
    question = about("nothing alike", "Leave is thirty days in every full year of work.")
    assert judge(question, "Leave is thirty days in every full year.", (), abstained=False) == "correct"
    assert judge(question, "Plenty.", ["Leave is thirty days in every full year of work."], abstained=False) == "partly"
    assert judge(question, "Plenty.", ["Pay comes monthly."], abstained=False) == "wrong"


def test_abstaining_is_right_exactly_where_nothing_answers() -> None:
    assert judge(about(answerable=False), "", (), abstained=True) == "rightly abstained"
    assert judge(about(answerable=False), "It is 4.", (), abstained=False) == "wrong"
    assert judge(about("4"), "", (), abstained=True) == "wrongly abstained"


def test_without_anything_to_hold_it_against_an_answer_is_not_judged() -> None:
    assert judge(about(), "It is 4.", ("4",), abstained=False) == "not judged"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1,577.00", {1577}),
        ("1.577,00", {1577}),
        ("1 577", {1577}),
        ("12.5 %", {Decimal("12.5")}),
        ("0.125", {Decimal("0.125")}),
        ("-3", {-3}),
        ("5-10 days", {5, 10}),
        ("2024-05-01", {2024, 5, 1}),
        ("v1.2.3", set()),
        ("no number", set()),
    ],
)
def test_numbers_are_read_however_they_are_written(written: str, read: set[Decimal]) -> None:
    assert numbers_in(written) == read
