"""Tables of a finished evaluation: JSON for machines, Markdown for people. Neither holds a question's text."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evaluation.bootstrap import RESAMPLES, SEED
from evaluation.curves import FALSE_AT_MOST, Curve, curves
from evaluation.groups import groups
from evaluation.pareto import recommendation
from evaluation.records import Evaluation, Question
from evaluation.scores import AnswerScores, ArmScores, Comparison, arm_scores, comparisons, question_counts
from evaluation.tables import count, dollars, interval, milliseconds, plain, share, table

FORMAT = 2
_PROBLEMS_SHOWN = 10
CONVENTIONS = {
    "files": "passages' files, each once, in the order of its first passage",
    "hit@k": "a relevant file is among the first k files",
    "mrr@10": "mean of 1 / rank of the first relevant file, 0 beyond 10",
    "ndcg@10": "gain = grade, discount = log2(rank + 1), ideal over all judged files (as trec_eval's ndcg_cut)",
    "sentence@k": "one of the first k passages holds 60 % of the answering sentence's word 3-grams",
    "sentence_together@10": "the first ten passages together hold 60 % of them",
    "p50_ms, p95_ms": "nearest rank, over one request each, after one untimed request",
    "right": "correct or rightly abstained, of the judged; correct: the answer holds the expected answer, by its words "
    "or numbers, or the answering sentence",
    "citation_precision": "of an answer's quotes, the share that holds 60 % of the answering sentence or lies in it; "
    "mean over answers",
    "quotes_verbatim": "quotes that stand character by character at their span of the document's text",
    "usd_per_correct": "all dollars of an arm's answers over its correct answers",
    "abstention": "a score below the threshold abstains; held out: each fifth judged by the best threshold of the rest",
    "difference": f"one arm minus the other, paired bootstrap over questions, {RESAMPLES} resamples, seed {SEED}, "
    "95 % percentile interval",
}


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Give everything that was measured as JSON values; money is a decimal string."""
    return {
        "format": FORMAT,
        "questions": dict(question_counts(evaluation)),
        "recommendation": _recommendation(evaluation),
        "asked": [_asked(question) for question in evaluation.questions],
        "notes": list(evaluation.notes),
        "arms": [plain(asdict(scores)) for scores in arm_scores(evaluation)],
        "groups": {
            dimension: {
                name: {"questions": count, "arms": [plain(asdict(scores)) for scores in rows]}
                for name, (count, rows) in those.items()
            }
            for dimension, those in groups(evaluation).items()
        },
        "abstention": [plain(asdict(curve)) for curve in curves(evaluation)],
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
        "searched": {row.arm: row.searched for row in evaluation.arms},
        "per_question": {row.arm: [plain(asdict(outcome)) for outcome in row.outcomes] for row in evaluation.arms},
        "conventions": CONVENTIONS,
    }


def _recommendation(evaluation: Evaluation) -> str | None:
    """Recommend a model where models alone were compared."""
    return None if any(row.searched for row in evaluation.arms) else recommendation(evaluation)


def _asked(question: Question) -> dict[str, Any]:
    """Say what is known of a question, without its words."""
    return {
        "id": question.id,
        "digest": hashlib.sha256(question.text.encode()).hexdigest()[:16],
        "answerable": question.answerable,
        "file": bool(question.relevant),
        "sentence": bool(question.sentence),
        "format": question.format,
        "corpus": question.corpus,
        "kind": question.kind,
    }


def to_markdown(evaluation: Evaluation) -> str:
    """Give the tables side by side as Markdown."""
    rows, counts = arm_scores(evaluation), question_counts(evaluation)
    parts = [
        f"{counts['with_file']} questions with a file, {counts['with_sentence']} with its sentence, "
        f"{counts['unanswerable']} that nothing answers.",
        *(f"**Note:** {note}" for note in evaluation.notes),
        f"**{recommended}**" if (recommended := _recommendation(evaluation)) else "",
        _retrieval_table(evaluation, rows),
        _answer_table(rows),
        _quote_table(rows),
        _curve_table(curves(evaluation)),
        *_group_tables(evaluation),
        _comparison_table(comparisons(evaluation)),
        _problems(evaluation),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _retrieval_table(evaluation: Evaluation, rows: Sequence[ArmScores]) -> str:
    searched = {row.arm for row in evaluation.arms if row.searched}
    rows = [row for row in rows if row.arm in searched]
    if not rows:
        return ""
    names = [name for name in rows[0].measures if any(row.measures[name] is not None for row in rows)]
    body = [
        [
            row.arm,
            *(share(row.measures[name]) for name in names),
            milliseconds(row.p50_ms),
            milliseconds(row.p95_ms),
            str(row.problems),
        ]
        for row in rows
    ]
    return table(["arm", *names, "p50 ms", "p95 ms", "errors"], body)


def _answer_table(rows: Sequence[ArmScores]) -> str:
    body = [
        [
            row.arm,
            str(answers.answered_or_abstained),
            *(str(count) for count in answers.verdicts.values()),
            share(answers.right),
            share(answers.abstention.precision),
            share(answers.abstention.recall),
            milliseconds(answers.p50_ms),
            milliseconds(answers.p95_ms),
        ]
        for row in rows
        if (answers := row.answers)
    ]
    if not body:
        return ""
    verdicts = next(row.answers for row in rows if row.answers).verdicts
    header = ["answers of", "asked", *verdicts, "right", "abstention precision", "abstention recall"]
    return table([*header, "p50 ms", "p95 ms"], body)


def _quote_table(rows: Sequence[ArmScores]) -> str:
    body = [[row.arm, *_quotes_and_dollars(row.answers)] for row in rows if row.answers]
    header = [
        "answers of",
        "cites a relevant file",
        "quotes from such files",
        "quotes hold the sentence",
        "citation precision",
    ]
    money = [
        "quotes",
        "verbatim",
        "tokens read",
        "written",
        "cost USD",
        "USD a question",
        "USD a correct answer",
        "judge USD",
    ]
    return table([*header, *money], body) if body else ""


def _quotes_and_dollars(answers: AnswerScores) -> list[str]:
    return [
        share(answers.cites_relevant),
        share(answers.file_precision),
        share(answers.quotes_hold_sentence),
        share(answers.citation_precision),
        str(answers.quotes),
        share(answers.quotes_verbatim),
        count(answers.input_tokens),
        count(answers.output_tokens),
        f"{answers.cost_usd.normalize():f}",
        dollars(answers.usd_per_question),
        dollars(answers.usd_per_correct),
        dollars(answers.judge_usd) if answers.judge_usd else "–",
    ]


def _curve_table(found: Sequence[Curve]) -> str:
    body = []
    for curve in found:
        honest = curve.held_out
        body.append(
            [
                curve.arm,
                f"{curve.area:.3f}",
                f"{curve.best.recall:.3f} at {curve.best.threshold:.3f}",
                f"{honest.recall:.3f} for {honest.false_abstentions:.3f}" if honest else "–",
                f"{curve.as_served[0]:.3f} for {curve.as_served[1]:.3f}",
            ]
        )
    if not body:
        return ""
    header = [
        "abstention",
        "area",
        f"recall at ≤ {FALSE_AT_MOST:.0%} false",
        "held out, for false",
        "as served, for false",
    ]
    return "Unanswerable questions caught by a threshold on the answers' score:\n\n" + table(header, body)


def _group_tables(evaluation: Evaluation) -> list[str]:
    return [
        _group_table(dimension, {name: rows for name, (_count, rows) in those.items()}, [c for c, _ in those.values()])
        for dimension, those in groups(evaluation).items()
    ]


def _group_table(dimension: str, those: dict[str, tuple[ArmScores, ...]], counts: Sequence[int]) -> str:
    every = [row for rows in those.values() for row in rows]
    names = [n for n in ("hit@1", "hit@10", "mrr@10", "sentence@10") if any(r.measures[n] is not None for r in every)]
    answers = any(row.answers for row in every)
    body = []
    for (name, rows), size in zip(those.items(), counts, strict=True):
        for row in rows:
            given = row.answers
            extra = (
                [share(given.right), share(given.citation_precision), dollars(given.usd_per_question)] if given else []
            )
            cells = [name, str(size), row.arm, *(share(row.measures[n]) for n in names)]
            body.append([*cells, *(extra or ["–"] * 3 if answers else [])])
    header = [dimension, "questions", "arm", *names]
    return table([*header, *(["right", "citation precision", "USD a question"] if answers else [])], body)


def _comparison_table(pairs: Sequence[Comparison]) -> str:
    """Set the pairs beside each other, a measure a line, so that any number of measures fits a page."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair.differences))
    if not names:
        return ""
    body = [
        [name, *(interval(pair.differences[name], name) if name in pair.differences else "–" for pair in pairs)]
        for name in names
    ]
    header = ["difference", *(f"{pair.first} − {pair.other}" for pair in pairs)]
    title = "Differences with their 95 % intervals (paired bootstrap); bold where the interval excludes 0:\n\n"
    return title + table(header, body)


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
