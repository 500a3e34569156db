"""`moat erase`: a document and all that is held of it, with the report that it is gone."""

import time
from typing import Annotated
from urllib.parse import quote

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, emit, err, out, table
from moat.errors import InvalidRequest

_POLL_S = 0.5
_OVER = ("done", "incomplete")


def erase(
    context: typer.Context,
    document_id: Annotated[str | None, typer.Argument(help="Document to erase.")] = None,
    report: Annotated[str | None, typer.Option(help="Only show the report of an erasure, by its id.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until nothing is left.")] = True,
    as_json: AsJson = False,
) -> None:
    """Erase a document: file, text, vectors and its quotes in stored answers; exit code 2 if something was left."""
    client: Client = context.obj
    if (document_id is None) == (report is None):
        raise InvalidRequest("Neither or both of a document and a report were named.", "Name one of them.")
    erasure_id = report or client.delete(f"/v1/documents/{quote(document_id or '', safe='')}")["erasure_id"]
    shown = client.get(f"/v1/erasures/{quote(erasure_id, safe='')}")
    while wait and report is None and shown["state"] not in _OVER:
        time.sleep(_POLL_S)
        shown = client.get(f"/v1/erasures/{quote(erasure_id, safe='')}")
    show_erasure(shown, as_json)
    if shown["state"] == "incomplete":
        raise typer.Exit(2)


def show_erasure(erasure: JsonObject, as_json: bool) -> None:
    """Print an erasure's report."""
    if as_json:
        emit(erasure)
        return
    out.print(f"Erasure {erasure['id']}: {erasure['state']}", style="bold")
    rows = table("Removed", "Count", right=("Count",))
    for name, count in erasure["removed"].items():
        if count:
            rows.add_row(name.replace("_", " "), f"{count:,}")
    if erasure["members"]:
        rows.add_row("files inside it", f"{erasure['members']:,}")
    out.print(rows)
    if erasure["checked"]:
        checks = table("Looked for afterwards", "Found")
        for name, found in erasure["checked"].items():
            checks.add_row(
                name.replace("_", " "), ("yes" if found else "no") if isinstance(found, bool) else f"{found:,}"
            )
        out.print(checks)
    if erasure["state"] not in _OVER:
        err.print(f"It is still under way; 'moat erase --report {erasure['id']}' shows it later.")
