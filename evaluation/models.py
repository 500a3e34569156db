"""Several models asked the same questions over the same passages, within a limit of dollars."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from threading import Event
from typing import Any, TypeVar, cast

from evaluation.answers import Answers
from evaluation.client import Client
from evaluation.grading import grade
from evaluation.kept_answers import KeptAnswers
from evaluation.records import (
    AnswerOutcome,
    ArmOutcomes,
    Evaluation,
    GivenAnswer,
    Outcome,
    Progress,
    ProgressCallback,
    Question,
    SearchFunction,
    Verdict,
)
from evaluation.spending import Spending, Tariff
from moat.errors import InvalidRequest, MoatError, Unavailable

T = TypeVar("T")
JUDGED_AGAIN = ("correct", "partly", "wrong")  # what a judging model may hold differently


@dataclass(frozen=True, slots=True)
class Trial:
    """How models are tried: where they are asked, which, over what, and what it may cost."""

    client: Client
    models: Sequence[str]
    tariffs: Mapping[str, Tariff]
    search: SearchFunction
    kept: KeptAnswers
    spending: Spending
    scope: Mapping[str, Any]
    judge: str | None = None
    concurrency: int = 1


class _Stopped(Exception):
    """The next call may pass the limit."""


def try_models(trial: Trial, questions: Sequence[Question], on_progress: ProgressCallback | None = None) -> Evaluation:
    """Ask every model every question over the passages that one search found, and grade the answers.

    What was kept from an earlier run is not asked again, and counts towards the limit as what it did cost. Once a
    call may pass the limit no further one is made, and the tables are over the questions that all models were asked.
    Raises InvalidRequest when that is none, and Unavailable when no model answers the very first.
    """
    for cost_usd in _paid(trial):
        trial.spending.settle(Decimal(0), cost_usd)
    run = _Run(trial, Answers(trial.client), on_progress, len(questions))
    first = run.ask_all(questions[0])
    if first and all(outcome.problem for outcome in first):
        raise Unavailable(f"No model answered the first question. {first[0].problem}")
    with ThreadPoolExecutor(max_workers=trial.concurrency, thread_name_prefix="ask") as pool:
        try:
            outcomes = [first, *pool.map(run.ask_all, questions[1:])]
        except BaseException:
            run.stop()  # the questions under way go no further than the answer they wait for
            raise
    asked = [(question, those) for question, those in zip(questions, outcomes, strict=True) if those is not None]
    if not asked:
        raise InvalidRequest(
            f"With ${trial.spending.limit_usd} not one question can be asked of every model.", "Raise --max-usd."
        )
    rows = (
        ArmOutcomes(model, tuple(those[place] for _question, those in asked), searched=False)
        for place, model in enumerate(trial.models)
    )
    notes = [] if len(asked) == len(questions) else [_stopped_note(trial, len(asked), len(questions))]
    return Evaluation(tuple(question for question, _those in asked), tuple(rows), tuple(notes))


def _paid(trial: Trial) -> list[Decimal]:
    answers = [given.cost_usd for given in trial.kept.answers.values()]
    return answers + [cost_usd for _verdict, cost_usd in trial.kept.judged.values()]


def _stopped_note(trial: Trial, asked: int, total: int) -> str:
    spending = trial.spending
    return (
        f"Stopped before the limit of ${spending.limit_usd} could be passed: ${spending.spent_usd.normalize():f} were "
        f"spent, and {asked} of {total} questions asked of every model. Go on with a higher --max-usd and --resume."
    )


class _Run:
    """One run through the questions; its methods are called from several threads."""

    def __init__(self, trial: Trial, answers: Answers, on_progress: ProgressCallback | None, total: int) -> None:
        self._trial = trial
        self._answers = answers
        self._on_progress = on_progress or (lambda _progress: None)
        self._total = total
        self._done: Mapping[str, Callable[[], int]] = {model: itertools.count(1).__next__ for model in trial.models}
        self._stopped = Event()

    def stop(self) -> None:
        """Make no further call."""
        self._stopped.set()

    def ask_all(self, question: Question) -> list[Outcome] | None:
        """Ask every model one question; None where the money did not reach for all of them."""
        try:
            chosen = self._chosen(question)
            return [self._outcome(question, model, chosen) for model in self._trial.models]
        except _Stopped:
            return None
        except MoatError as error:  # of the search: no model was asked
            return [Outcome(question.id, problem=_told(error)) for _ in self._trial.models]

    def _chosen(self, question: Question) -> Sequence[str]:
        """Search once for all models; a run that goes on keeps to what was found first."""
        if question.id not in self._trial.kept.passages:
            if self._stopped.is_set():
                raise _Stopped
            found = self._trial.search(question.text)
            self._trial.kept.keep_passages(question.id, tuple(passage.id for passage in found))
        return self._trial.kept.passages[question.id]

    def _outcome(self, question: Question, model: str, chosen: Sequence[str]) -> Outcome:
        try:
            given = self._trial.kept.answers.get((question.id, model)) or self._ask(question, model, chosen)
            outcome = self._judged(question, model, given, grade(question, given, 0.0))
        except MoatError as error:
            return Outcome(question.id, problem=_told(error))
        finally:
            self._on_progress(Progress(model, self._done[model](), self._total))
        return Outcome(question.id, answer=outcome)

    def _ask(self, question: Question, model: str, chosen: Sequence[str]) -> GivenAnswer:
        if not chosen:  # what the server would say without asking a model either
            given = GivenAnswer(abstained=True, cost_usd=Decimal(0), model=model, latency_ms=0.0)
        else:
            body = {"question": question.text, "model": model, "passage_ids": list(chosen), **self._trial.scope}
            most_usd = self._most_usd(body)
            if self._trial.spending.limit_usd is not None:
                body["max_cost_usd"] = f"{most_usd:f}"
            given = self._paid(most_usd, lambda: self._answers.ask(body), lambda answer: answer.cost_usd)
        if given.model != model:
            raise Unavailable(f"{given.model} answered in the place of {model}, so this says nothing about {model}.")
        self._trial.kept.keep_answer(question.id, model, given)
        return given

    def _most_usd(self, body: Mapping[str, Any]) -> Decimal:
        """Ask the server what this call can cost; it is nobody's concern where there is no limit."""
        if self._trial.spending.limit_usd is None or self._stopped.is_set():
            return Decimal(0)
        return Decimal(self._trial.client.post("/v1/answers", {**body, "dry_run": True})["ceiling_usd"])

    def _paid(self, most_usd: Decimal, call: Callable[[], T], cost: Callable[[T], Decimal]) -> T:
        """Make a call between setting money aside for it and counting its cost; a failed one counts as its most."""
        if self._stopped.is_set() or not self._trial.spending.reserve(most_usd):
            self._stopped.set()
            raise _Stopped
        cost_usd = most_usd
        try:
            made = call()
            cost_usd = cost(made)
        finally:
            self._trial.spending.settle(most_usd, cost_usd)
        return made

    def _judged(self, question: Question, model: str, given: GivenAnswer, outcome: AnswerOutcome) -> AnswerOutcome:
        """Put the judging model's verdict in the place of the offline one, where there is something to judge."""
        judge, expected = self._trial.judge, question.answer or question.sentence
        if judge is None or not expected or outcome.verdict not in JUDGED_AGAIN or not question.answerable:
            return outcome
        known = self._trial.kept.judged.get((question.id, model, judge))
        if known is None:
            body = {"question": question.text, "expected": expected, "answer": given.text, "model": judge}
            said = self._paid(
                self._trial.tariffs[judge].most_usd(sum(map(_size, (question.text, expected, given.text)))),
                lambda: self._trial.client.post("/v1/judgements", body | dict(self._trial.scope)),
                lambda judgement: Decimal(judgement["cost"]["total_usd"]),
            )
            known = str(said["verdict"]), Decimal(said["cost"]["total_usd"])
            self._trial.kept.keep_judgement(question.id, model, judge, *known)
        return replace(outcome, verdict=cast(Verdict, known[0]), judge_usd=known[1])


def _size(text: str) -> int:
    return len(text.encode())


def _told(error: MoatError) -> str:
    return f"{error.detail} {error.hint}".strip()
