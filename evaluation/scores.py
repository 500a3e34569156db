"""From outcomes to an arm's scores, and to differences between arms."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from evaluation.bootstrap import SEED, Difference, paired_difference
from evaluation.metrics import Abstention, abstention, hit, mean, percentile, reciprocal_rank
from evaluation.records import VERDICTS, AnswerOutcome, ArmOutcomes, Evaluation, Outcome, Question

Measure = Callable[[Question, Outcome], float | None]
RIGHT = ("correct", "rightly abstained")


def _of_file(value: Callable[[Outcome], float]) -> Measure:
    return lambda question, outcome: value(outcome) if question.relevant else None


def _of_sentence(value: Callable[[Outcome], float]) -> Measure:
    return lambda question, outcome: value(outcome) if question.sentence else None


def _of_answer(value: Callable[[Question, AnswerOutcome], float | None]) -> Measure:
    return lambda question, outcome: value(question, outcome.answer) if outcome.answer else None


def _right(_question: Question, answer: AnswerOutcome) -> float | None:
    return None if answer.verdict == "not judged" else float(answer.verdict in RIGHT)


def _precision(_question: Question, answer: AnswerOutcome) -> float | None:
    return (
        answer.quotes_on_sentence / answer.quotes if answer.quotes and answer.quotes_on_sentence is not None else None
    )


def _file_precision(_question: Question, answer: AnswerOutcome) -> float | None:
    return answer.quotes_in_file / answer.quotes if answer.quotes and answer.quotes_in_file is not None else None


RETRIEVAL_MEASURES: Mapping[str, Measure] = {
    "hit@1": _of_file(lambda outcome: hit(outcome.file_rank, 1)),
    "hit@5": _of_file(lambda outcome: hit(outcome.file_rank, 5)),
    "hit@10": _of_file(lambda outcome: hit(outcome.file_rank, 10)),
    "mrr@10": _of_file(lambda outcome: reciprocal_rank(outcome.file_rank)),
    "ndcg@10": _of_file(lambda outcome: outcome.ndcg_at_10 or 0.0),
    "sentence@1": _of_sentence(lambda outcome: hit(outcome.sentence_rank, 1)),
    "sentence@5": _of_sentence(lambda outcome: hit(outcome.sentence_rank, 5)),
    "sentence@10": _of_sentence(lambda outcome: hit(outcome.sentence_rank, 10)),
    "sentence_together@10": _of_sentence(lambda outcome: float(bool(outcome.sentence_in_first_ten_together))),
}
ANSWER_MEASURES: Mapping[str, Measure] = {
    "right": _of_answer(_right),
    "quotes_hold_sentence": _of_answer(
        lambda _question, answer: None if answer.holds_sentence is None else float(answer.holds_sentence)
    ),
    "citation_precision": _of_answer(_precision),
    "file_precision": _of_answer(_file_precision),
    "input_tokens": _of_answer(lambda _question, answer: float(answer.input_tokens)),
    "usd": _of_answer(lambda _question, answer: float(answer.cost_usd)),
}
MEASURES: Mapping[str, Measure] = {**RETRIEVAL_MEASURES, **ANSWER_MEASURES}


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """How an arm's answers did; each mean is over the answers to which it applies, and None over nothing."""

    answered_or_abstained: int
    verdicts: Mapping[str, int]
    right: float | None
    abstention: Abstention
    cites_relevant: float | None
    quotes: int
    quotes_verbatim: float | None
    quotes_hold_sentence: float | None
    citation_precision: float | None
    file_precision: float | None
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: Decimal
    saved_usd: Decimal
    usd_per_question: Decimal
    usd_per_correct: Decimal | None
    judge_usd: Decimal
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
    """One arm minus another, by measure."""

    first: str
    other: str
    differences: Mapping[str, Difference]


def arm_scores(evaluation: Evaluation, only: Collection[str] | None = None) -> tuple[ArmScores, ...]:
    """Score each arm, over the questions of these ids or all; one that ended in an error counts as not found."""
    return tuple(_scores(evaluation, row, only) for row in evaluation.arms)


def comparisons(evaluation: Evaluation, seed: int = SEED) -> tuple[Comparison, ...]:
    """Compare pairs of arms by a paired bootstrap over the questions that a measure applies to in both."""
    rows = {row.arm: row for row in evaluation.arms}
    first = evaluation.arms[0].arm
    pairs = evaluation.pairs or [(first, other) for other in rows if other != first]
    return tuple(Comparison(one, other, _differences(evaluation, rows[one], rows[other], seed)) for one, other in pairs)


def _differences(evaluation: Evaluation, one: ArmOutcomes, other: ArmOutcomes, seed: int) -> dict[str, Difference]:
    differences = {}
    for name in MEASURES:
        mine, theirs = values(evaluation, one, name), values(evaluation, other, name)
        both = [id_ for id_ in mine if id_ in theirs]
        if both:
            differences[name] = paired_difference([mine[i] for i in both], [theirs[i] for i in both], seed=seed)
    return differences


def values(evaluation: Evaluation, row: ArmOutcomes, name: str) -> dict[str, float]:
    """Give a measure by question, where it applies; an answer that ended in an error was not right."""
    answers = any(outcome.answer for outcome in row.outcomes)
    if name in RETRIEVAL_MEASURES and not row.searched:
        return {}
    found = {}
    for question, outcome in zip(evaluation.questions, row.outcomes, strict=True):
        value = MEASURES[name](question, outcome)
        if value is None and name == "right" and outcome.problem and answers:
            value = 0.0
        if value is not None:
            found[question.id] = value
    return found


def _scores(evaluation: Evaluation, row: ArmOutcomes, only: Collection[str] | None) -> ArmScores:
    kept = [outcome for outcome in row.outcomes if only is None or outcome.question_id in only]
    latencies = [outcome.latency_ms for outcome in kept if outcome.latency_ms is not None]
    means = {
        name: mean(value for id_, value in values(evaluation, row, name).items() if only is None or id_ in only)
        for name in MEASURES
    }
    return ArmScores(
        arm=row.arm,
        measures={name: means[name] for name in RETRIEVAL_MEASURES},
        p50_ms=percentile(latencies, 50),
        p95_ms=percentile(latencies, 95),
        problems=sum(outcome.problem is not None for outcome in kept),
        answers=_answer_scores(evaluation, kept, means),
    )


def _answer_scores(
    evaluation: Evaluation, outcomes: list[Outcome], means: Mapping[str, float | None]
) -> AnswerScores | None:
    answerable = {question.id: question.answerable for question in evaluation.questions}
    pairs = [(answerable[outcome.question_id], outcome.answer) for outcome in outcomes if outcome.answer]
    if not pairs:
        return None
    answers = [answer for _answerable, answer in pairs]
    looked = [answer for answer in answers if answer.quotes_verbatim is not None]
    verdicts = {verdict: sum(answer.verdict == verdict for answer in answers) for verdict in VERDICTS}
    cost_usd = sum((answer.cost_usd for answer in answers), Decimal(0))
    return AnswerScores(
        answered_or_abstained=len(answers),
        verdicts=verdicts,
        right=means["right"],
        abstention=abstention((able, answer.abstained) for able, answer in pairs),
        cites_relevant=mean(answer.cites_relevant for answer in answers if answer.cites_relevant is not None),
        quotes=sum(answer.quotes for answer in answers),
        quotes_verbatim=_ratio(sum(a.quotes_verbatim or 0 for a in looked), sum(a.quotes for a in looked)),
        quotes_hold_sentence=means["quotes_hold_sentence"],
        citation_precision=means["citation_precision"],
        file_precision=means["file_precision"],
        input_tokens=means["input_tokens"],
        output_tokens=mean(answer.output_tokens for answer in answers),
        cost_usd=cost_usd,
        saved_usd=sum((answer.saved_usd for answer in answers), Decimal(0)),
        usd_per_question=cost_usd / len(answers),
        usd_per_correct=cost_usd / verdicts["correct"] if verdicts["correct"] else None,
        judge_usd=sum((answer.judge_usd for answer in answers), Decimal(0)),
        p50_ms=percentile([answer.latency_ms for answer in answers], 50),
        p95_ms=percentile([answer.latency_ms for answer in answers], 95),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def question_counts(evaluation: Evaluation) -> Mapping[str, int]:
    """Count what each mean is over."""
    return {
        "all": len(evaluation.questions),
        "with_file": sum(bool(question.relevant) for question in evaluation.questions),
        "with_sentence": sum(bool(question.sentence) for question in evaluation.questions),
        "unanswerable": sum(not question.answerable for question in evaluation.questions),
    }
