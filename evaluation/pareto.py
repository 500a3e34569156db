"""Which model gives the most right answers for a dollar, and the one sentence that says which to take."""

from collections.abc import Mapping
from decimal import Decimal

from evaluation.bootstrap import Difference, paired_difference
from evaluation.records import Evaluation
from evaluation.scores import AnswerScores, arm_scores, values
from evaluation.tables import dollars

# A cheaper model may be this far behind the best in the figures, and must not be surely behind it at all.
AS_GOOD_WITHIN = 0.05 + 1e-9


def front(places: Mapping[str, tuple[Decimal, float]]) -> tuple[str, ...]:
    """Name those that no other beats, by (dollars, share right): as good and cheaper, or as cheap and better."""
    return tuple(
        name
        for name, (cost, right) in places.items()
        if not any(
            their_cost <= cost and their_right >= right and (their_cost, their_right) != (cost, right)
            for their_cost, their_right in places.values()
        )
    )


def recommendation(evaluation: Evaluation) -> str:
    """Say in one sentence which model to take.

    It is the cheapest for a correct answer among those that are as good as the best: at most five points behind, and
    not surely behind by the paired bootstrap.
    """
    scores = {row.arm: row.answers for row in arm_scores(evaluation) if row.answers and row.answers.right is not None}
    if not scores:
        return "No model can be recommended: nothing could be judged. Give the questions an 'answer' or a 'sentence'."
    useful = {arm: answers for arm, answers in scores.items() if answers.usd_per_correct is not None}
    if not useful:
        return "No model can be recommended: none gave a correct answer."
    best = max(useful, key=lambda arm: (_right(useful[arm]), -useful[arm].usd_per_question))
    behind = {arm: _behind(evaluation, best, arm) for arm in useful if arm != best}
    as_good = [
        arm
        for arm in useful
        if arm == best or (_right(useful[best]) - _right(useful[arm]) <= AS_GOOD_WITHIN and not behind[arm].sure)
    ]
    taken = min(as_good, key=lambda arm: (useful[arm].usd_per_correct or Decimal(0), -_right(useful[arm])))
    figures = f"{_right(useful[taken]):.0%} right at ${dollars(useful[taken].usd_per_correct)} a correct answer"
    if len(scores) == 1:
        return f"{taken} is {figures}; there is nothing to compare it with."
    said = f"Take {taken}: {figures}"
    if taken != best:
        return (
            f"{said}; {best} is not surely better ({_points(behind[taken])}) and costs {_times(useful, best, taken)}."
        )
    others = [arm for arm in useful if arm != best]
    if not others:
        return f"{said}; no other gave a correct answer."
    runner = max(others, key=lambda arm: _right(useful[arm]))
    surely = "surely better than" if behind[runner].sure else "ahead of"
    price = _times(useful, runner, best)
    return f"{said}; it is {surely} the next, {runner} ({_points(behind[runner])}), which costs {price}."


def _right(answers: AnswerScores) -> float:
    return answers.right or 0.0


def _behind(evaluation: Evaluation, best: str, arm: str) -> Difference:
    rows = {row.arm: row for row in evaluation.arms}
    mine, theirs = values(evaluation, rows[best], "right"), values(evaluation, rows[arm], "right")
    both = [id_ for id_ in mine if id_ in theirs]
    return paired_difference([mine[id_] for id_ in both], [theirs[id_] for id_ in both])


def _points(difference: Difference) -> str:
    return f"{difference.mean * 100:+.0f} points, 95 % {difference.low * 100:+.0f} to {difference.high * 100:+.0f}"


def _times(scores: Mapping[str, AnswerScores], arm: str, base: str) -> str:
    """Compare what a correct answer costs with two models."""
    mine, theirs = scores[arm].usd_per_correct or Decimal(0), scores[base].usd_per_correct or Decimal(0)
    if not theirs or not mine:
        return f"${dollars(mine)}"
    return f"{mine / theirs:.2g} times as much" if mine / theirs < 100 else f"{mine / theirs:,.0f} times as much"
