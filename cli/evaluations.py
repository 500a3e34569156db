"""The runs of `moat evaluate`: each asks a server, shows how far it is, and hands back what it measured."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.client import CliError
from cli.output import counted, emit, err
from evaluation.arms import api_arms, search_function
from evaluation.client import Client, JsonObject
from evaluation.kept_answers import KeptAnswers
from evaluation.kept_runs import read_run
from evaluation.kept_runs import side_by_side as beside
from evaluation.models import Trial, try_models
from evaluation.pictures import to_svg
from evaluation.places import with_corpora
from evaluation.questions import read_questions
from evaluation.records import Evaluation, ProgressCallback, Question
from evaluation.records import Progress as Step
from evaluation.report import to_json, to_markdown
from evaluation.run import evaluate
from evaluation.spending import Spending, tariffs
from evaluation.starter import make_questions
from moat.errors import InvalidRequest

_WRITERS: Mapping[str, Callable[[Evaluation], str]] = {
    ".json": lambda evaluation: json.dumps(to_json(evaluation), indent=1) + "\n",
    ".md": to_markdown,
    ".svg": to_svg,
}


class Patient:
    """A client that waits as long as a server with too much work tells it to, and asks again."""

    def __init__(self, client: Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def post(self, path: str, json: Mapping[str, Any]) -> JsonObject:
        return self._until_taken(lambda: self._client.post(path, json))

    def get(self, path: str) -> JsonObject:
        return self._until_taken(lambda: self._client.get(path))

    def _until_taken(self, call: Callable[[], JsonObject]) -> JsonObject:
        while True:
            try:
                return call()
            except CliError as error:
                if error.retry_after_s is None:
                    raise
                self._sleep(error.retry_after_s)


@dataclass(frozen=True, slots=True)
class Results:
    """Where results go: to the files by their endings, and to the screen as tables or as JSON."""

    files: tuple[Path, ...]
    as_json: bool

    def check(self) -> None:
        """Refuse files that could not be written, before anything is asked."""
        for file in self.files:
            if file.suffix.lower() not in _WRITERS:
                raise InvalidRequest(f"{file} has no ending that says what to write.", "Use .json, .md or .svg.")
            if not file.parent.is_dir():
                raise InvalidRequest(f"There is no folder {file.parent}.", "Make it first.")

    def write(self, evaluation: Evaluation) -> None:
        """Write every file and print."""
        self.check()
        for file in self.files:
            file.write_text(_WRITERS[file.suffix.lower()](evaluation), encoding="utf-8")
        if self.as_json:
            emit(to_json(evaluation))
        else:
            typer.echo(to_markdown(evaluation))


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a run over models may go, and how many questions it asks at once."""

    max_usd: Decimal | None
    passages: int
    concurrency: int


def own_arms(stated: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Read arms of one's own, each NAME=JSON."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in stated:
        name, _, settings = one.partition("=")
        try:
            value = json.loads(settings)
        except json.JSONDecodeError:
            value = None
        if not name.strip() or not isinstance(value, dict):
            raise InvalidRequest(
                f"--retrieval {one!r} is not NAME=JSON.", """Write --retrieval 'words={"arms": ["sparse"]}'."""
            )
        found[name.strip()] = value
    return found


def arms(
    client: Client,
    path: Path,
    names: Sequence[str],
    own: Mapping[str, Mapping[str, Any]],
    corpora: Sequence[str],
    limit: int,
    *,
    answers: bool,
) -> Evaluation:
    """Ask every arm every question."""
    questions = _questions(client, path, corpora)
    chosen = api_arms(client, names, corpora=corpora, limit=limit, answers=answers, own=own)
    with _progress({arm.name: len(questions) for arm in chosen}) as show:
        return evaluate(questions, chosen, show)


def models(
    client: Client,
    path: Path,
    names: Sequence[str],
    judge: str | None,
    corpora: Sequence[str],
    limits: Limits,
    kept_in: Path,
) -> Evaluation:
    """Ask every model every question over the same passages; what was answered is kept as it comes."""
    if not names or len(set(names)) < len(names):
        raise InvalidRequest("--models names no model, or one twice.", "Name each once: --models a,b,c.")
    questions = _questions(client, path, corpora)
    listed = client.get("/v1/models")["items"]
    scope = {"corpora": list(corpora)} if corpora else {}
    trial = Trial(
        client=client,
        models=names,
        tariffs=tariffs(listed, [*names, *([judge] if judge else [])]),
        search=search_function(client, scope, limits.passages, None),
        kept=KeptAnswers(kept_in, questions, {"corpora": list(corpora), "passages_a_question": limits.passages}),
        spending=Spending(limits.max_usd),
        scope=scope,
        judge=judge,
        concurrency=limits.concurrency,
    )
    err.print(f"Answers are kept in {kept_in}; --resume {kept_in} goes on from there.", soft_wrap=True)
    with _progress(dict.fromkeys(names, len(questions))) as show:
        return try_models(trial, questions, show)


def side_by_side(one: Path, other: Path) -> Evaluation:
    """Compare the first run with the second, arm by arm."""
    names = (one.stem, other.stem) if one.stem != other.stem else (str(one), str(other))
    return beside((names[0], read_run(one)), (names[1], read_run(other)))


def make(client: Client, corpus: str, count: int, results: Results) -> None:
    """Make a question file, or print it."""
    if len(results.files) > 1:
        raise InvalidRequest("Questions go into one file.", "Give --out once.")
    with _progress({"documents": None}) as show:
        rows = make_questions(client, corpus, count, show)
    if not rows:
        raise InvalidRequest(
            f"The documents of {corpus} have no heading with a sentence under it.", "Write some questions by hand."
        )
    if results.files:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        results.files[0].write_text("".join(lines), encoding="utf-8")
        err.print(
            f"{counted(len(rows), 'question')} in {results.files[0]}. Look through them, and add some of your own."
        )
    if results.as_json:
        emit(rows)
    elif not results.files:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))


def _questions(client: Client, path: Path, corpora: Sequence[str]) -> tuple[Question, ...]:
    """Read the questions, and label those with their file's corpus that do not say it."""
    questions = read_questions(path)
    if len(corpora) == 1:
        return tuple(replace(question, corpus=question.corpus or corpora[0]) for question in questions)
    return with_corpora(client, questions, corpora)


@contextmanager
def _progress(totals: Mapping[str, int | None]) -> Iterator[ProgressCallback]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as bars:
        tasks = {name: bars.add_task(name, total=total) for name, total in totals.items()}

        def show(step: Step) -> None:
            bars.update(tasks[step.arm], completed=step.done, total=step.total)

        yield show
