"""Curves of abstention, on scores small enough to count by hand."""

from decimal import Decimal

import pytest

from evaluation.curves import Scored, area, best, curves, held_out, points_of
from evaluation.records import AnswerOutcome, ArmOutcomes, Evaluation, Outcome, Question

# Unanswerable 0.1, 0.2, 0.5; answerable 0.3, 0.6, 0.7, 0.8.
SCORED = [Scored(False, score) for score in (0.1, 0.2, 0.5)] + [Scored(True, score) for score in (0.3, 0.6, 0.7, 0.8)]


def test_each_threshold_between_two_scores_is_a_point() -> None:
    points = points_of(SCORED)
    assert [(point.recall, point.false_abstentions) for point in points] == [
        (0, 0),
        (pytest.approx(1 / 3), 0),
        (pytest.approx(2 / 3), 0),
        (pytest.approx(2 / 3), 0.25),
        (1, 0.25),
        (1, 0.5),
        (1, 0.75),
        (1, 1),
    ]
    assert points[2].threshold == pytest.approx(0.25)


def test_the_best_point_keeps_within_the_false_abstentions_allowed() -> None:
    points = points_of(SCORED)
    assert (best(points).recall, best(points, 0.3).recall) == (pytest.approx(2 / 3), 1.0)
    # Eleven of the twelve pairs of an unanswerable and an answerable question are in order.
    assert area(points) == pytest.approx(11 / 12)


def test_a_threshold_is_judged_on_questions_that_it_was_not_chosen_on() -> None:
    apart = [Scored(False, n / 100) for n in range(10)] + [Scored(True, 0.5 + n / 100) for n in range(10)]
    honest = held_out(apart)
    assert honest is not None
    assert (honest.recall, honest.false_abstentions) == (1.0, 0.0)
    # Every fifth unanswerable question is scored like an answerable one: no threshold can catch those.
    mixed = [Scored(False, 0.9 if n % 5 == 0 else 0.1) for n in range(50)] + [Scored(True, 0.8) for _ in range(50)]
    honest = held_out(mixed)
    assert honest is not None
    assert honest.recall == pytest.approx(0.8)
    assert held_out(SCORED) is None


def test_an_arm_has_a_curve_when_its_answers_have_scores_for_both_kinds() -> None:
    questions = (Question("a", "?", {"a.md": 1}), Question("u", "?", {}, answerable=False))

    def row(arm: str, *scores: float | None) -> ArmOutcomes:
        answers = [AnswerOutcome(n == 1, None, Decimal(0), 1.0, score=score) for n, score in enumerate(scores)]
        return ArmOutcomes(arm, tuple(Outcome(q.id, answer=a) for q, a in zip(questions, answers, strict=True)))

    (curve,) = curves(Evaluation(questions, (row("scored", 0.8, 0.2), row("not", None, None))))
    assert (curve.arm, curve.area, curve.best.recall, curve.as_served) == ("scored", 1.0, 1.0, (1.0, 0.0))
