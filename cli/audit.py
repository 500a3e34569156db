"""`moat audit`: who did what, and whether the log of it is whole."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, emit, err, out, table
from moat.audit_chain import Anchor, Entry, entry_of, verify
from moat.errors import InvalidRequest

app = typer.Typer(help="Show the audit log, and check it.", invoke_without_command=True)
_PAGE = 1_000


@app.callback()
def audit(
    context: typer.Context,
    since: Annotated[datetime | None, typer.Option(help="Only from this time on (UTC).")] = None,
    user: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, e.g. document.deleted.")] = None,
    object_: Annotated[str | None, typer.Option("--object", help="Only what was done to this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Newest entries shown.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest entries."""
    if context.invoked_subcommand is not None:
        return
    client: Client = context.obj
    wanted = {"user": user, "action": action, "object": object_, "since": since and since.isoformat()}
    page = client.get("/v1/audit", {"limit": limit} | {name: value for name, value in wanted.items() if value})
    if as_json:
        emit(page)
        return
    rows = table("No", "When", "Who", "What", "Of what", right=("No",))
    for item in page["items"]:
        rows.add_row(str(item["seq"]), item["at"][:19], item["user"], item["action"], item["object"])
    out.print(rows)


@app.command()
def head(context: typer.Context, as_json: AsJson = False) -> None:
    """Print the newest entry's number and hash; kept elsewhere, it shows later whether the log was rewritten."""
    client: Client = context.obj
    anchor = client.get("/v1/audit/head")
    if as_json:
        emit(anchor)
    else:
        typer.echo(f"{anchor['seq']}:{anchor['hash']}")


@app.command("verify")
def verify_log(
    context: typer.Context,
    anchor: Annotated[list[str] | None, typer.Option(help="NUMBER:HASH that 'moat audit head' printed before.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Check this export (JSON lines) instead of the server's log.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check here, entry by entry, that none was altered, removed, moved or cut off; exit code 2 if one was."""
    client: Client = context.obj
    anchors = [_anchor(written) for written in anchor or []]
    if file is not None:
        found = verify(_from_file(file), None, anchors)
    else:
        stated = client.get("/v1/audit/head")  # before the entries: what is written meanwhile only makes them longer
        known = Anchor(stated["seq"], stated["hash"])
        found = verify(_from_server(client, known.seq), known, anchors)
    last = found.last or Anchor(0, "")
    if as_json:
        emit({"entries": found.entries, "last": {"seq": last.seq, "hash": last.hash}, "problems": found.problems})
    else:
        for problem in found.problems:
            err.print(problem, style="red")
        whole = "whole" if not found.problems else "NOT whole"
        out.print(f"Entries read: {found.entries:,}; the log is {whole}.")
        if not anchors:
            err.print("Without --anchor, a log that was rewritten from its start on is not noticed.")
    if found.problems:
        raise typer.Exit(2)


def _anchor(written: str) -> Anchor:
    seq, _, hash_ = written.partition(":")
    if not seq.isascii() or not seq.isdigit() or len(hash_) != 64:
        raise InvalidRequest(f"{written[:80]!r} is no anchor.", "Give NUMBER:HASH as 'moat audit head' prints it.")
    return Anchor(int(seq), hash_)


def _from_server(client: Client, through: int) -> Iterator[tuple[Entry, str]]:
    cursor = "0"
    while True:
        page = client.get("/v1/audit", {"order": "oldest", "limit": _PAGE, "cursor": cursor})
        for item in page["items"]:
            if item["seq"] > through:
                return
            yield _read(item)
        if page["next_cursor"] is None:
            return
        cursor = page["next_cursor"]


def _from_file(file: Path) -> Iterator[tuple[Entry, str]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fields: Any = json.loads(line)
            except ValueError as error:
                raise InvalidRequest(
                    f"Line {number} of {file} is not JSON.", "Give what format=jsonl wrote."
                ) from error
            yield _read(fields)


def _read(fields: JsonObject) -> tuple[Entry, str]:
    try:
        return entry_of(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("An entry lacks what every entry has.", "Give what format=jsonl wrote.") from error
