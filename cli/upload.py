"""`moat upload`: files and folders into a corpus, followed until they can be asked about."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import Client, JsonObject
from cli.files import LocalFile, find_files
from cli.following import follow
from cli.output import AsJson, counted, emit, err, out, states, table
from cli.planning import plan_upload, show_plan
from cli.sending import Sent, send
from moat.errors import InvalidRequest


def upload(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, or folders with all below them.")] = None,
    corpus: Annotated[str, typer.Option(help="Corpus by name or id.")] = "default",
    root: Annotated[Path | None, typer.Option(help="Folder that the documents' keys are relative to.")] = None,
    list_file: Annotated[
        Path | None, typer.Option("--list", help="File that names paths below --root, one a line.")
    ] = None,
    access: Annotated[list[str] | None, typer.Option(help="Group that may read; may be repeated.")] = None,
    metadata: Annotated[str | None, typer.Option(help="JSON object kept with each document.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until they are indexed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload files and folders; exit code 1 when one was refused or failed."""
    client: Client = context.obj
    files = find_files(paths or [], root, list_file)
    if dry_run:
        plan = plan_upload(client, corpus, files)
        if as_json:
            emit(plan)
        else:
            show_plan(plan)
        raise typer.Exit(1 if any(item["problem"] for item in plan["items"]) else 0)
    began = time.monotonic()
    sent = upload_files(client, corpus, files, access=access, metadata=_object(metadata), wait=not no_wait)
    summary = summarize(sent, time.monotonic() - began)
    if as_json:
        emit({"items": [item.as_json() for item in sent], "summary": summary})
    else:
        _show(sent, summary)
    raise typer.Exit(1 if any(item.has_failed for item in sent) else 0)


def upload_files(
    client: Client,
    corpus: str,
    files: Sequence[LocalFile],
    *,
    access: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    wait: bool = True,
) -> list[Sent]:
    """Send files and wait for them, with bars on stderr."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        sending = bars.add_task("sent", total=len(files))
        sent = send(
            client,
            corpus,
            files,
            access=access,
            metadata=metadata,
            on_sent=lambda count: bars.update(sending, advance=count),
            on_wait=lambda seconds: err.print(f"Too much work waits there; trying again in {seconds:g} s."),
        )
        accepted = sum(1 for item in sent if item.id)
        if wait and accepted:
            indexing = bars.add_task("indexed", total=accepted)

            def show(counts: Counter[str]) -> None:
                done = counts.total() - counts["queued"] - counts["parsing"] - counts["embedding"]
                bars.update(indexing, completed=done, description=f"indexed ({states(counts)})")

            try:
                follow(client, corpus, sent, show)
            except KeyboardInterrupt:
                err.print("The documents go on being indexed; 'moat status' shows how far they are.")
                raise
    return sent


def summarize(sent: Sequence[Sent], seconds: float) -> JsonObject:
    """Sum an upload up."""
    return {
        "files": len(sent),
        "states": dict(Counter(item.state for item in sent)),
        "duplicates": sum(item.duplicate for item in sent),
        "pages": sum(item.document.get("pages") or 0 for item in sent),
        "chunks": sum(item.document.get("chunks") or 0 for item in sent),
        "seconds": round(seconds, 1),
    }


def show_failures(sent: Sequence[Sent]) -> None:
    """Print a table of what was refused or failed, if anything was."""
    failed = [item for item in sent if item.has_failed]
    if failed:
        rows = table("File", "State", "Reason", "What to do")
        for item in failed:
            rows.add_row(item.file.key, item.state, item.error, item.hint)
        out.print(rows)


def _show(sent: Sequence[Sent], summary: JsonObject) -> None:
    show_failures(sent)
    already = f" ({summary['duplicates']:,} were there already)" if summary["duplicates"] else ""
    made = f"{counted(summary['pages'], 'page')}, {counted(summary['chunks'], 'chunk')}"
    out.print(f"{counted(len(sent), 'file')}: {states(summary['states'])}{already}; {made}, {summary['seconds']} s")


def _object(metadata: str | None) -> dict[str, Any] | None:
    if metadata is None:
        return None
    try:
        value = json.loads(metadata)
    except ValueError as error:
        raise InvalidRequest(
            f"--metadata is not JSON: {error}", """Write --metadata '{"department": "hr"}'."""
        ) from None
    if not isinstance(value, dict):
        raise InvalidRequest("--metadata is not a JSON object.", """Write --metadata '{"department": "hr"}'.""")
    return value
