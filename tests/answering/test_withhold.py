"""What is taken out of an answer when a document it was made of is gone."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from answering.body import body_of
from answering.withhold import PARTLY_WITHHELD, WITHHELD, without, without_anything, without_record
from moat.records import Answer, Citation, Cost
from moat.tables import utc_now

ONE, TWO, THREE = (uuid4() for _ in range(3))


def citation(marker: int, document: UUID, quote: str) -> Citation:
    return Citation(marker, document, f"title of {document}", "default", 1, (0, len(quote)), quote, 0.9, "/content")


def answer(text: str, *citations: Citation) -> Answer:
    cost = Cost(Decimal(0), Decimal(0), ())
    return Answer(uuid4(), "Why?", text, False, citations, cost, "extractive", {}, utc_now(), "As it stands.")


EXTRACTED = answer(
    "Lunch is at noon. It is free. [1] The bus, No. 5, leaves at six. [2]",
    citation(1, ONE, "Lunch is at noon. It is free."),
    citation(2, TWO, "The bus, No. 5, leaves at six."),
)
WRITTEN = answer(
    "As you know, pay is high. Lunch is at noon [1]. The bus leaves at six [2][3]. All of that is fine.",
    citation(1, ONE, "Lunch: noon."),
    citation(2, TWO, "The bus goes at 6."),
    citation(3, THREE, "6 o'clock."),
)


@pytest.mark.parametrize(
    ("made", "gone", "left", "markers"),
    [
        (EXTRACTED, {ONE}, "The bus, No. 5, leaves at six. [2]", [2]),
        (EXTRACTED, {TWO}, "Lunch is at noon. It is free. [1]", [1]),
        (EXTRACTED, {ONE, TWO}, WITHHELD, []),
        # A sentence stays only with its marker: what has none may have been made of what is gone.
        (WRITTEN, {TWO}, "Lunch is at noon [1]", [1, 3]),
        (WRITTEN, {THREE}, "Lunch is at noon [1]", [1, 2]),
        (WRITTEN, {ONE}, "The bus leaves at six [2][3]", [2, 3]),
        (WRITTEN, {uuid4()}, "Lunch is at noon [1] The bus leaves at six [2][3]", [1, 2, 3]),
        (answer("Nothing answers this. The nearest documents are: Secret plan."), {ONE}, WITHHELD, []),
    ],
)
def test_what_stays_rests_on_what_is_still_there(made: Answer, gone: set[UUID], left: str, markers: list[int]) -> None:
    body = without(body_of(made), gone)
    assert body["answer"] == left
    assert [c["marker"] for c in body["citations"]] == markers
    assert body["withheld"] == len(made.citations) - len(markers)
    assert body["note"] == f"As it stands. {PARTLY_WITHHELD}"
    assert body["question"] == "Why?"
    assert body_of(without_record(made, gone)) == body
    assert without(body, gone) == body  # a second time changes nothing


def test_an_answer_of_quotes_alone_is_whole_though_another_source_was_read_for_it() -> None:
    body = body_of(EXTRACTED)
    assert without(body, {THREE}) == body
    assert without_record(EXTRACTED, {THREE}) is EXTRACTED


def test_documents_go_one_after_the_other() -> None:
    body: dict[str, Any] = without(without(body_of(EXTRACTED), {ONE}), {TWO})
    assert (body["answer"], body["citations"], body["withheld"]) == (WITHHELD, [], 2)
    assert body["note"].count(PARTLY_WITHHELD) == 1


def test_links_go_with_the_sentences_that_they_stood_in() -> None:
    kept, lost = "https://intranet.example/bus", "https://intranet.example/merger-of-june"
    made = answer(
        f"Plans are at {lost} [1]. The timetable is at {kept} [2].",
        citation(1, ONE, f"Plans are at {lost}."),
        citation(2, TWO, f"The timetable is at {kept}."),
    )
    made = replace(made, links=(lost, kept))
    body = without(body_of(made), {ONE})
    assert body["links"] == [kept]
    assert "merger" not in str(body)
    assert body_of(without_record(made, {ONE})) == body
    assert without_anything(body_of(made))["links"] == []
