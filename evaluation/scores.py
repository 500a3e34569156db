"""From outcomes to an arm's scores, and to differences between arms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from evaluation.bootstrap import SEED, Difference, paired_difference
from evaluation.metrics import Abstention, abstention, hit, mean, percentile, reciprocal_rank
from evaluation.records import ArmOutcomes, Evaluation, Outcome, Question

Measure = Callable[[Outcome], float]
FILE_MEASURES: Mapping[str, Measure] = {
    "hit@1": lambda outcome: hit(outcome.file_rank, 1),
    "hit@5": lambda outcome: hit(outcome.file_rank, 5),
    "hit@10": lambda outcome: hit(outcome.file_rank, 10),
    "mrr@10": lambda outcome: reciprocal_rank(outcome.file_rank),
    "ndcg@10": lambda outcome: outcome.ndcg_at_10 or 0.0,
}
SENTENCE_MEASURES: Mapping[str, Measure] = {
    "sentence@1": lambda outcome: hit(outcome.sentence_rank, 1),
    "sentence@5": lambda outcome: hit(outcome.sentence_rank, 5),
    "sentence@10": lambda outcome: hit(outcome.sentence_rank, 10),
    "sentence_together@10": lambda outcome: float(bool(outcome.sentence_in_first_ten_together)),
}


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """How an arm's answers did; `cites_relevant` over the answerable questions that it answered."""

    answered_or_abstained: int
    abstention: Abstention
    cites_relevant: float | None
    cost_usd: Decimal
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class ArmScores:
    """One row of the table: means over the questions that have a file, and over those that have a sentence."""

    arm: str
    measures: Mapping[str, float | None]
    p50_ms: float | None
    p95_ms: float | None
    problems: int
    answers: AnswerScores | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first arm minus another, by measure."""

    first: str
    other: str
    differences: Mapping[str, Difference]


def arm_scores(evaluation: Evaluation) -> tuple[ArmScores, ...]:
    """Score each arm; a question that ended in an error counts as not found."""
    return tuple(_scores(evaluation, row) for row in evaluation.arms)


def comparisons(evaluation: Evaluation, seed: int = SEED) -> tuple[Comparison, ...]:
    """Compare the first arm with each other by a paired bootstrap over the same questions."""
    first, *others = evaluation.arms
    return tuple(
        Comparison(
            first.arm,
            other.arm,
            {
                name: paired_difference(_values(evaluation, first, name), _values(evaluation, other, name), seed=seed)
                for name in [*FILE_MEASURES, *SENTENCE_MEASURES]
                if _values(evaluation, first, name)
            },
        )
        for other in others
    )


def _scores(evaluation: Evaluation, row: ArmOutcomes) -> ArmScores:
    latencies = [outcome.latency_ms for outcome in row.outcomes if outcome.latency_ms is not None]
    return ArmScores(
        arm=row.arm,
        measures={name: mean(_values(evaluation, row, name)) for name in [*FILE_MEASURES, *SENTENCE_MEASURES]},
        p50_ms=percentile(latencies, 50),
        p95_ms=percentile(latencies, 95),
        problems=sum(outcome.problem is not None for outcome in row.outcomes),
        answers=_answer_scores(evaluation, row),
    )


def _values(evaluation: Evaluation, row: ArmOutcomes, name: str) -> list[float]:
    by_file = name in FILE_MEASURES
    measure = FILE_MEASURES[name] if by_file else SENTENCE_MEASURES[name]

    def counts(question: Question) -> bool:
        return bool(question.relevant) if by_file else bool(question.sentence)

    pairs = zip(evaluation.questions, row.outcomes, strict=True)
    return [measure(outcome) for question, outcome in pairs if counts(question)]


def _answer_scores(evaluation: Evaluation, row: ArmOutcomes) -> AnswerScores | None:
    pairs = zip(evaluation.questions, row.outcomes, strict=True)
    given = [(question.answerable, outcome.answer) for question, outcome in pairs if outcome.answer]
    if not given:
        return None
    answers = [answer for _answerable, answer in given]
    return AnswerScores(
        answered_or_abstained=len(given),
        abstention=abstention((answerable, answer.abstained) for answerable, answer in given),
        cites_relevant=mean(answer.cites_relevant for answer in answers if answer.cites_relevant is not None),
        cost_usd=sum((answer.cost_usd for answer in answers), Decimal(0)),
        p50_ms=percentile([answer.latency_ms for answer in answers], 50),
        p95_ms=percentile([answer.latency_ms for answer in answers], 95),
    )


def question_counts(evaluation: Evaluation) -> Mapping[str, int]:
    """Count what each mean is over."""
    return {
        "all": len(evaluation.questions),
        "with_file": sum(bool(question.relevant) for question in evaluation.questions),
        "with_sentence": sum(bool(question.sentence) for question in evaluation.questions),
        "unanswerable": sum(not question.answerable for question in evaluation.questions),
    }
