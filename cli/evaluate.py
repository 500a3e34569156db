"""`moat evaluate`: measures a running server against questions whose right results are known."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from cli import evaluations
from cli.evaluations import Results
from cli.output import AsJson, counted, err
from evaluation.arms import PASSAGES
from evaluation.beir import write_files
from moat.errors import InvalidRequest

_PACKED_FROM = 20
_MODELS, _MAKE = "Comparing models", "Making questions"


def evaluate(
    context: typer.Context,
    questions: Annotated[
        Path | None, typer.Argument(help="JSON lines, a JSON list, CSV, or a BEIR folder.", show_default=False)
    ] = None,
    question_file: Annotated[Path | None, typer.Option("--questions", help="The same, as an option.")] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="Search only this corpus; may be repeated.")] = None,
    arms: Annotated[
        str, typer.Option(help="Of hybrid, dense, sparse, blend, served; the first is compared with the rest.")
    ] = "served,hybrid,dense,sparse",
    retrieval: Annotated[
        list[str] | None,
        typer.Option(help="A further arm: NAME=JSON, as 'retrieval' of POST /v1/search; may be repeated."),
    ] = None,
    answers: Annotated[bool, typer.Option("--answers", help="Also ask for answers, which may cost money.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Passages a search.")] = PASSAGES,
    models: Annotated[
        str | None,
        typer.Option(help="Ask these models instead, over the same passages: a,b,c.", rich_help_panel=_MODELS),
    ] = None,
    max_usd: Annotated[
        str | None, typer.Option(help="Stop before this many dollars are passed.", rich_help_panel=_MODELS)
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="A model that judges the answers; its cost is apart.", rich_help_panel=_MODELS)
    ] = None,
    passages: Annotated[
        int, typer.Option(min=1, max=200, help="Passages that a prompt is packed from.", rich_help_panel=_MODELS)
    ] = _PACKED_FROM,
    resume: Annotated[
        Path | None, typer.Option(help="Keep answers here, and go on from there.", rich_help_panel=_MODELS)
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Questions at once.", rich_help_panel=_MODELS)] = 2,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Set two runs' JSON files beside each other.", show_default=False)
    ] = None,
    make_questions: Annotated[
        str | None, typer.Option(help="Make a first question file from this corpus's headings.", rich_help_panel=_MAKE)
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Most questions made.", rich_help_panel=_MAKE)] = 150,
    files_into: Annotated[
        Path | None,
        typer.Option(
            "--write-files",
            help="Only write a BEIR folder's documents here, for 'moat upload DIR --root DIR'.",
            rich_help_panel=_MAKE,
        ),
    ] = None,
    out: Annotated[
        list[Path] | None, typer.Option(help="Write results here: .json, .md or .svg; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well questions find their files and are answered: arm by arm, model by model, run by run."""
    results = Results(tuple(out or ()), as_json)
    if compare:
        results.write(evaluations.side_by_side(*compare))
        return
    client = evaluations.Patient(context.obj)  # put there by the command line as a whole, for --server and --key
    if make_questions:
        evaluations.make(client, make_questions, count, results)
        return
    path = _one(questions, question_file)
    if files_into:
        written = sum(len(batch) for batch in write_files(path, files_into))
        err.print(f"{counted(written, 'file')} in {files_into}. Next: moat upload {files_into} --root {files_into}")
        return
    results.check()
    if models:
        kept = resume or Path(f"moat-evaluate-{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl")
        limits = evaluations.Limits(_dollars(max_usd), passages, concurrency)
        results.write(evaluations.models(client, path, _names(models), judge, corpus or (), limits, kept))
        return
    own = evaluations.own_arms(retrieval or ())
    results.write(evaluations.arms(client, path, [*_names(arms), *own], own, corpus or (), limit, answers=answers))


def _one(argument: Path | None, option: Path | None) -> Path:
    if (argument is None) == (option is None):
        raise InvalidRequest(
            "Name one question file.", "moat evaluate FILE; 'moat evaluate --make-questions CORPUS' makes a first one."
        )
    return argument or option or Path()


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def _dollars(amount: str | None) -> Decimal | None:
    try:
        value = None if amount is None else Decimal(amount.removeprefix("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    if value is not None and not (value.is_finite() and value >= 0):
        raise InvalidRequest(f"--max-usd {amount!r} is no amount of dollars.", "Write it as 2.50.")
    return value
