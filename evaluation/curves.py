"""Abstention over a threshold: how many unanswerable questions are caught for how many false abstentions."""

import itertools
import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.bootstrap import SEED
from evaluation.records import ArmOutcomes, Evaluation

FALSE_AT_MOST = 0.05
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Scored:
    """One answered question: whether it can be answered, and the score that an answer came with."""

    answerable: bool
    score: float


@dataclass(frozen=True, slots=True)
class Point:
    """What abstaining below a threshold would do, as shares of the unanswerable and of the answerable questions."""

    threshold: float
    recall: float
    false_abstentions: float


@dataclass(frozen=True, slots=True)
class Curve:
    """An arm's whole curve, its area, and what it reaches at no more than 5 % false abstentions.

    `held_out` is the honest form of `best`: each fifth of the questions is judged by the threshold that is best for
    the other four. `as_served` is what the server did by its own rule.
    """

    arm: str
    points: tuple[Point, ...]
    area: float
    best: Point
    held_out: Point | None
    as_served: tuple[float, float]  # recall, false abstentions


def curves(evaluation: Evaluation) -> tuple[Curve, ...]:
    """Draw the curve of each arm whose answers came with scores, over both kinds of questions."""
    return tuple(curve for row in evaluation.arms if (curve := _curve(evaluation, row)))


def _curve(evaluation: Evaluation, row: ArmOutcomes) -> Curve | None:
    pairs = [
        (question, outcome.answer)
        for question, outcome in zip(evaluation.questions, row.outcomes, strict=True)
        if outcome.answer and outcome.answer.score is not None
    ]
    scored = [Scored(question.answerable, answer.score) for question, answer in pairs if answer.score is not None]
    if not any(one.answerable for one in scored) or all(one.answerable for one in scored):
        return None
    points = points_of(scored)
    return Curve(
        arm=row.arm,
        points=points,
        area=area(points),
        best=best(points),
        held_out=held_out(scored),
        as_served=(
            _share([answer.abstained for question, answer in pairs if not question.answerable]),
            _share([answer.abstained for question, answer in pairs if question.answerable]),
        ),
    )


def points_of(scored: Sequence[Scored]) -> tuple[Point, ...]:
    """Give a point for every threshold that makes a difference, from abstaining never to always."""
    scores = sorted({one.score for one in scored})
    between = [(low + high) / 2 for low, high in itertools.pairwise(scores)]
    unanswerable, answerable = (sorted(one.score for one in scored if one.answerable is kind) for kind in (False, True))
    return tuple(
        Point(
            threshold,
            recall=bisect_left(unanswerable, threshold) / len(unanswerable),
            false_abstentions=bisect_left(answerable, threshold) / len(answerable),
        )
        for threshold in [scores[0], *between, math.nextafter(scores[-1], math.inf)]
    )


def area(points: Sequence[Point]) -> float:
    """Give the area under recall over false abstentions: 0.5 is chance, 1 perfect."""
    return math.fsum(
        (after.false_abstentions - before.false_abstentions) * (after.recall + before.recall) / 2
        for before, after in itertools.pairwise(points)
    )


def best(points: Sequence[Point], false_at_most: float = FALSE_AT_MOST) -> Point:
    """Give the highest recall at no more than so many false abstentions; of equals, the one with the fewest."""
    allowed = [point for point in points if point.false_abstentions <= false_at_most]
    return max(allowed, key=lambda point: (point.recall, -point.false_abstentions))


def held_out(scored: Sequence[Scored], folds: int = FOLDS, seed: int = SEED) -> Point | None:
    """Choose the threshold on four fifths and judge the last, in turn; None with fewer than five of a kind.

    The point's threshold is the mean of those chosen. Both kinds of questions are spread evenly over the folds.
    """
    draw = random.Random(seed)  # noqa: S311 (no secret hangs on it)
    parts: list[list[Scored]] = [[] for _ in range(folds)]
    for kind in (True, False):
        those = [one for one in scored if one.answerable is kind]
        if len(those) < folds:
            return None
        draw.shuffle(those)
        for place, one in enumerate(those):
            parts[place % folds].append(one)
    chosen, abstained = [], []
    for part in parts:
        rest = [one for other in parts if other is not part for one in other]
        threshold = best(points_of(rest)).threshold
        chosen.append(threshold)
        abstained += [(one.answerable, one.score < threshold) for one in part]
    return Point(
        threshold=math.fsum(chosen) / folds,
        recall=_share([did for answerable, did in abstained if not answerable]),
        false_abstentions=_share([did for answerable, did in abstained if answerable]),
    )


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)
