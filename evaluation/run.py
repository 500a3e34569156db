"""Drives arms over questions and keeps, for each, what the tables are made of."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from evaluation.grading import grade
from evaluation.metrics import distinct, first_rank, ndcg, sentence_rank, sentence_together
from evaluation.records import (
    AnswerFunction,
    AnswerOutcome,
    Arm,
    ArmOutcomes,
    Evaluation,
    FoundPassage,
    Outcome,
    Progress,
    ProgressCallback,
    Question,
)
from moat.errors import InvalidRequest, MoatError

Clock = Callable[[], float]


def evaluate(
    questions: Sequence[Question],
    arms: Sequence[Arm],
    on_progress: ProgressCallback | None = None,
    *,
    concurrency: int = 1,
    clock: Clock = time.perf_counter,
) -> Evaluation:
    """Ask every arm every question; the first arm is the one that the others are compared with.

    Each arm is asked the first question once before, untimed, so that loading a model counts for nobody; an error
    there ends the run, a later one is that question's outcome and counts as not found. Above concurrency 1 the
    latencies hold the waiting for each other.
    """
    if not questions or not arms:
        raise InvalidRequest("Measuring needs at least one question and one arm.", "Give both.")
    if len({arm.name for arm in arms}) < len(arms):
        raise InvalidRequest("Two arms have the same name.", "Name each arm differently.")
    returned_keys: set[str] = set()
    rows = []
    for arm in arms:
        returned_keys.update(passage.key for passage in arm.search(questions[0].text))
        rows.append(ArmOutcomes(arm.name, tuple(_ask_all(questions, arm, on_progress, concurrency, clock))))
    return Evaluation(tuple(questions), tuple(rows), _notes(questions, rows, returned_keys))


def _ask_all(
    questions: Sequence[Question], arm: Arm, on_progress: ProgressCallback | None, concurrency: int, clock: Clock
) -> Iterator[Outcome]:
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix=f"ask-{arm.name}") as pool:
        asked = pool.map(lambda question: _ask(question, arm, clock), questions)
        for done, outcome in enumerate(asked, 1):
            if on_progress:
                on_progress(Progress(arm.name, done, len(questions)))
            yield outcome


def _ask(question: Question, arm: Arm, clock: Clock) -> Outcome:
    try:
        answer = _answered(question, arm.answer, clock) if arm.answer else None
        if not question.relevant:
            return Outcome(question.id, answer=answer)
        began = clock()
        passages = arm.search(question.text)
        latency_ms = (clock() - began) * 1000
    except MoatError as error:
        return Outcome(question.id, problem=f"{error.detail} {error.hint}".strip())
    return _outcome(question, passages, latency_ms, answer)


def _answered(question: Question, answer: AnswerFunction, clock: Clock) -> AnswerOutcome:
    began = clock()
    given = answer(question.text)
    return grade(question, given, (clock() - began) * 1000)


def _outcome(
    question: Question, passages: Sequence[FoundPassage], latency_ms: float, answer: AnswerOutcome | None
) -> Outcome:
    files = distinct(passage.key for passage in passages)
    texts = [passage.text for passage in passages[:10]]
    sentence = question.sentence
    return Outcome(
        question_id=question.id,
        file_rank=first_rank(files, question.relevant),
        ndcg_at_10=ndcg(files, question.relevant),
        sentence_rank=sentence_rank(sentence, texts) if sentence else None,
        sentence_in_first_ten_together=sentence_together(sentence, texts) if sentence else None,
        latency_ms=latency_ms,
        answer=answer,
    )


def _notes(questions: Sequence[Question], rows: Sequence[ArmOutcomes], returned_keys: set[str]) -> tuple[str, ...]:
    return (*_no_file_notes(questions, rows, returned_keys), *_kept_notes(rows))


def _kept_notes(rows: Sequence[ArmOutcomes]) -> tuple[str, ...]:
    """Point out answers that were given before: they say nothing about prices and times."""
    answers = [(row.arm, outcome.answer) for row in rows for outcome in row.outcomes if outcome.answer]
    kept = [answer for _arm, answer in answers if answer.saved_usd]
    if not kept:
        return ()
    saved = sum((answer.saved_usd for answer in kept), Decimal(0))
    return (
        f"{len(kept)} of {len(answers)} answers had been given before and were given again, which saved ${saved:f}: "
        "dollars and latencies are not those of new answers.",
    )


def _no_file_notes(
    questions: Sequence[Question], rows: Sequence[ArmOutcomes], returned_keys: set[str]
) -> tuple[str, ...]:
    """Point out what makes a table meaningless rather than bad."""
    expected = next((key for question in questions for key in question.relevant), None)
    found = any(outcome.file_rank for row in rows for outcome in row.outcomes)
    if expected is None or found:
        return ()
    got = f"{min(returned_keys)!r}" if returned_keys else "nothing at all"
    return (
        f"No arm ever returned an expected file. The questions expect keys such as {expected!r}, the search returned "
        f"{got}: upload with the --root that makes them the same.",
    )
