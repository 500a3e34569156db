"""Runs read back from their files are the runs that were written, and pair question by question."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evaluation.groups import groups
from evaluation.kept_runs import read_run, side_by_side
from evaluation.pictures import to_svg
from evaluation.records import AnswerOutcome, ArmOutcomes, Evaluation, Outcome, Question
from evaluation.report import to_json, to_markdown
from evaluation.scores import comparisons
from moat.errors import InvalidRequest

QUESTIONS = (
    Question("a", "How long?", {"hr/leave.pdf": 1}, "It is thirty days.", "30", kind="faq", corpus="hr"),
    Question("b", "Who pays?", {"pay.md": 1}, kind="heading", corpus="fin"),
    Question("u", "Who is king?", {}, answerable=False),
)


def run(rank: int, cost: str = "0.0012", name: str = "served") -> Evaluation:
    answer = AnswerOutcome(False, True, Decimal(cost), 12.5, "correct", 0.8, 1000, 100, quotes=2, quotes_on_sentence=1,
                           quotes_in_file=2, quotes_verbatim=2, holds_sentence=True)  # fmt: skip
    abstained = AnswerOutcome(True, None, Decimal(0), 9.0, "rightly abstained", 0.2)
    outcomes = (
        Outcome("a", rank, 1.0, rank, True, 5.0, answer),
        Outcome("b", None, 0.0, latency_ms=6.0, problem="The vectors are away."),
        Outcome("u", answer=abstained),
    )
    return Evaluation(QUESTIONS, (ArmOutcomes(name, outcomes),))


def written(evaluation: Evaluation, path: Path) -> Path:
    path.write_text(json.dumps(to_json(evaluation)))
    return path


def test_a_run_that_was_read_back_makes_the_same_tables(tmp_path: Path) -> None:
    first = run(1)
    again = read_run(written(first, tmp_path / "run.json"))
    assert to_markdown(again) == to_markdown(first)
    assert [row.outcomes for row in again.arms] == [row.outcomes for row in first.arms]
    assert "How long?" not in (tmp_path / "run.json").read_text()


def test_two_runs_are_compared_arm_by_arm_over_the_questions_that_both_asked(tmp_path: Path) -> None:
    old, new = run(4), run(1)
    fewer = replace(new, questions=new.questions[:2], arms=(replace(new.arms[0], outcomes=new.arms[0].outcomes[:2]),))
    both = side_by_side(
        ("old", read_run(written(old, tmp_path / "old.json"))), ("new", read_run(written(fewer, tmp_path / "new.json")))
    )
    assert [question.id for question in both.questions] == ["a", "b"]
    assert "1 of old" in both.notes[0]
    (pair,) = comparisons(both)
    assert (pair.first, pair.other) == ("old: served", "new: served")
    assert pair.differences["mrr@10"].mean == pytest.approx((1 / 4 - 1) / 2)


def test_a_question_that_was_reworded_under_its_id_is_another_question() -> None:
    reworded = replace(run(1), questions=(replace(QUESTIONS[0], text="How many days?"), *QUESTIONS[1:]))
    both = side_by_side(("old", run(1)), ("new", reworded))
    assert [question.id for question in both.questions] == ["b", "u"]


def test_runs_of_different_models_are_compared_each_with_each() -> None:
    both = side_by_side(("old", run(1, name="a/x")), ("new", run(1, name="b/y")))
    assert both.pairs == (("old: a/x", "new: b/y"),)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ('{"format": 1}', "format 1"),
        ('{"format": 2}', "does not hold"),
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, content: str, fact: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InvalidRequest, match=fact):
        read_run(tmp_path / "run.json")


def test_every_dimension_that_tells_questions_apart_has_its_groups() -> None:
    found = groups(run(1))
    assert {name: {group: count for group, (count, _rows) in those.items()} for name, those in found.items()} == {
        "format": {"(nothing answers)": 1, "md": 1, "pdf": 1},
        "corpus": {"(not stated)": 1, "fin": 1, "hr": 1},
        "kind": {"(not stated)": 1, "faq": 1, "heading": 1},
    }
    _count, (row,) = found["format"]["md"]
    assert (row.measures["hit@10"], row.problems, row.answers) == (0.0, 1, None)


def test_the_picture_is_whole_xml_with_a_point_for_each_measure_and_escapes_names() -> None:
    root = ElementTree.fromstring(to_svg(run(1, name="<arm> & more")))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<arm> & more", "hit@10", "quotes verbatim", "Share answered right, for dollars a question"} <= set(words)
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "<arm> & more: 66.7% right at $0.0006 a question" in said
