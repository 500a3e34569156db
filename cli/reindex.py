"""`moat reindex`: a corpus's index built anew beside the old one."""

import sys
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import Client, CliError, JsonObject
from cli.output import AsJson, counted, dollars, emit, err, out
from moat.errors import InvalidRequest

_POLL_S = 1.0
_ENDED = {"cancelled": "The reindex was cancelled"}


def reindex(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(help="Corpus by name or id.")],
    embedder: Annotated[str | None, typer.Option(help="Another embedder; the present one otherwise.")] = None,
    chunk_tokens: Annotated[int | None, typer.Option(min=32, help="Most word pieces in a chunk.")] = None,
    late_interaction: Annotated[
        bool | None, typer.Option(help="Whether to rank what was found by the vectors of its words; as now otherwise.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build a corpus's index anew; the old one answers until the new one is complete."""
    client: Client = context.obj
    path = f"/v1/corpora/{quote(corpus, safe='')}/reindex"
    body: dict[str, Any] = {"embedder": embedder} if embedder else {}
    if chunk_tokens:
        body["chunk_tokens"] = chunk_tokens
    if late_interaction is not None:
        body["late_interaction"] = late_interaction
    if dry_run or not yes:
        plan = client.post(path, body | {"dry_run": True})
        if dry_run and as_json:
            emit(plan)
        else:
            (out if dry_run else err).print(_plan(corpus, plan))
        if dry_run:
            return
        _agree()
    job = _follow(client, client.post(path, body | {"dry_run": False}))
    if as_json:
        emit(job)
    if job["state"] != "done":
        raise CliError(
            500, _ENDED.get(job["state"], "The reindex failed"), job["detail"] or "It gave no reason.", job["hint"]
        )
    if not as_json:
        out.print(f"{job['corpus']}: {job['ready']:,} of {counted(job['documents'], 'document')} in the new index.")


def _plan(corpus: str, plan: JsonObject) -> str:
    minutes = "an unknown time" if plan["minutes"] is None else f"about {plan['minutes']} minutes"
    pipeline = ", ".join(f"{name} {value}" for name, value in plan["pipeline"].items() if not isinstance(value, dict))
    return (
        f"Reindexing {corpus} takes {counted(plan['documents'], 'document')}, {plan['tokens']:,} tokens, "
        f"{dollars(plan['cost_usd'])} and {minutes} ({pipeline})."
    )


def _agree() -> None:
    if not sys.stdin.isatty():
        raise InvalidRequest("Nobody is here to agree.", "Give --yes, or --dry-run to see what it takes.")
    typer.confirm("Go on?", abort=True, err=True)


def _follow(client: Client, job: JsonObject) -> JsonObject:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=err) as bars:
            task = bars.add_task(f"reindexing {job['corpus']}", total=job["documents"] or None)
            while True:
                bars.update(task, completed=job["done"], total=job["documents"] or None)
                if job["state"] != "running":
                    return job
                time.sleep(_POLL_S)
                job = client.get(f"/v1/jobs/{job['id']}")
    except KeyboardInterrupt:
        err.print(f"The job goes on without this command: its id is {job['id']}.")
        raise
