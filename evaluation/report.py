"""Tables of a finished evaluation: JSON for machines, Markdown for people. Neither holds a question's text."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from evaluation.bootstrap import RESAMPLES, SEED, Difference
from evaluation.records import Evaluation
from evaluation.scores import ArmScores, Comparison, arm_scores, comparisons, question_counts

FORMAT = 1
_PROBLEMS_SHOWN = 10
CONVENTIONS = {
    "files": "passages' files, each once, in the order of its first passage",
    "hit@k": "a relevant file is among the first k files",
    "mrr@10": "mean of 1 / rank of the first relevant file, 0 beyond 10",
    "ndcg@10": "gain = grade, discount = log2(rank + 1), ideal over all judged files (as trec_eval's ndcg_cut)",
    "sentence@k": "one of the first k passages holds 60 % of the answering sentence's word 3-grams",
    "sentence_together@10": "the first ten passages together hold 60 % of them",
    "p50_ms, p95_ms": "nearest rank, over one request each, after one untimed request",
    "difference": f"first arm minus the other, paired bootstrap over questions, {RESAMPLES} resamples, seed {SEED}, "
    "95 % percentile interval",
}


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Give everything that was measured as JSON values; money is a decimal string."""
    return {
        "format": FORMAT,
        "questions": dict(question_counts(evaluation)),
        "notes": list(evaluation.notes),
        "arms": [_plain(asdict(scores)) for scores in arm_scores(evaluation)],
        "comparisons": [
            {
                "first": comparison.first,
                "other": comparison.other,
                "differences": {
                    name: {**asdict(difference), "sure": difference.sure}
                    for name, difference in comparison.differences.items()
                },
            }
            for comparison in comparisons(evaluation)
        ],
        "per_question": {row.arm: [_plain(asdict(outcome)) for outcome in row.outcomes] for row in evaluation.arms},
        "conventions": CONVENTIONS,
    }


def to_markdown(evaluation: Evaluation) -> str:
    """Give the tables side by side as Markdown."""
    rows, counts = arm_scores(evaluation), question_counts(evaluation)
    parts = [
        f"{counts['with_file']} questions with a file, {counts['with_sentence']} with its sentence, "
        f"{counts['unanswerable']} that nothing answers.",
        *(f"**Note:** {note}" for note in evaluation.notes),
        _retrieval_table(rows),
        _answer_table(rows),
        _comparison_table(comparisons(evaluation)),
        _problems(evaluation),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _retrieval_table(rows: Sequence[ArmScores]) -> str:
    names = [name for name in rows[0].measures if any(row.measures[name] is not None for row in rows)]
    body = [
        [
            row.arm,
            *(_share(row.measures[name]) for name in names),
            _milliseconds(row.p50_ms),
            _milliseconds(row.p95_ms),
            str(row.problems),
        ]
        for row in rows
    ]
    return _table(["arm", *names, "p50 ms", "p95 ms", "errors"], body)


def _answer_table(rows: Sequence[ArmScores]) -> str:
    body = [
        [
            row.arm,
            str(answers.answered_or_abstained),
            _share(answers.cites_relevant),
            _share(answers.abstention.precision),
            _share(answers.abstention.recall),
            str(answers.abstention.wrongly),
            f"{answers.cost_usd:f}",
            _milliseconds(answers.p50_ms),
            _milliseconds(answers.p95_ms),
        ]
        for row in rows
        if (answers := row.answers)
    ]
    header = ["answers of", "asked", "cites a relevant file", "abstention precision", "abstention recall"]
    return _table([*header, "abstained wrongly", "cost USD", "p50 ms", "p95 ms"], body) if body else ""


def _comparison_table(pairs: Sequence[Comparison]) -> str:
    if not pairs or not pairs[0].differences:
        return ""
    names = list(pairs[0].differences)
    body = [[f"{pair.first} − {pair.other}", *(_interval(pair.differences[name]) for name in names)] for pair in pairs]
    return "Differences with their 95 % intervals (paired bootstrap); bold where the interval excludes 0:\n\n" + _table(
        ["arms", *names], body
    )


def _problems(evaluation: Evaluation) -> str:
    lines = [
        f"- {row.arm}, {outcome.question_id}: {outcome.problem}"
        for row in evaluation.arms
        for outcome in row.outcomes
        if outcome.problem
    ]
    if not lines:
        return ""
    more = [f"- and {len(lines) - _PROBLEMS_SHOWN} more"] if len(lines) > _PROBLEMS_SHOWN else []
    return "\n".join(["Errors, each counted as not found:", "", *lines[:_PROBLEMS_SHOWN], *more])


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *body])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _interval(difference: Difference) -> str:
    text = f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    return f"**{text}**" if difference.sure else text


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _plain(value) if isinstance(value, dict) else f"{value:f}" if isinstance(value, Decimal) else value
        for name, value in values.items()
    }
