"""`moat evaluate`: measures a running server against questions whose right results are known."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evaluation.arms import PASSAGES, api_arms
from evaluation.beir import write_files
from evaluation.client import Client
from evaluation.questions import read_questions
from evaluation.records import Arm, Evaluation, Question
from evaluation.records import Progress as Step
from evaluation.report import to_json, to_markdown
from evaluation.run import evaluate as run_evaluation


def evaluate(
    context: typer.Context,
    questions: Annotated[Path, typer.Argument(help="JSON lines, a JSON list, CSV, or a BEIR folder.")],
    corpus: Annotated[list[str] | None, typer.Option(help="Search only this corpus; may be repeated.")] = None,
    arms: Annotated[
        str, typer.Option(help="Of hybrid, dense, sparse, served; the first is compared with the rest.")
    ] = "hybrid,dense,sparse",
    answers: Annotated[bool, typer.Option("--answers", help="Also ask for answers, which may cost money.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Passages a search.")] = PASSAGES,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything measured here; - prints it.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables here too.")] = None,
    files_into: Annotated[
        Path | None,
        typer.Option(
            "--write-files", help="Only write a BEIR folder's documents here, for 'moat upload DIR --root DIR'."
        ),
    ] = None,
) -> None:
    """Measure how well questions find their files, and what is answered, arm by arm."""
    console = Console(stderr=True)
    if files_into:
        count = sum(len(batch) for batch in write_files(questions, files_into))
        console.print(f"{count} files in {files_into}. Next: moat upload {files_into} --root {files_into}")
        return
    asked = read_questions(questions)
    client: Client = context.obj  # put there by the command line as a whole, for --server and --key
    names = [name.strip() for name in arms.split(",") if name.strip()]
    chosen = api_arms(client, names, corpora=corpus or (), limit=limit, answers=answers)
    report(_with_progress(asked, chosen, console), json_file, markdown)


def report(evaluation: Evaluation, json_file: Path | None, markdown: Path | None) -> None:
    """Print the tables, or the JSON for `-`, and write the files that were asked for."""
    tables = to_markdown(evaluation)
    if markdown:
        markdown.write_text(tables, encoding="utf-8")
    values = json.dumps(to_json(evaluation), indent=1) if json_file else ""
    if json_file and str(json_file) != "-":
        json_file.write_text(values + "\n", encoding="utf-8")
    typer.echo(values if json_file and str(json_file) == "-" else tables)


def _with_progress(questions: tuple[Question, ...], arms: tuple[Arm, ...], console: Console) -> Evaluation:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {arm.name: bars.add_task(arm.name, total=len(questions)) for arm in arms}

        def show(step: Step) -> None:
            bars.update(tasks[step.arm], completed=step.done)

        return run_evaluation(questions, arms, show)
