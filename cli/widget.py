"""`moat widget`: chat widgets for other pages."""

from html import escape
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import Client
from cli.output import AsJson, emit, err, out, table

app = typer.Typer(help="Make, list and delete chat widgets.", no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the widget is for.")],
    origin: Annotated[list[str], typer.Option(help="Site that shows it, as scheme://host[:port]; may be repeated.")],
    corpus: Annotated[list[str] | None, typer.Option(help="Ask only this corpus; may be repeated.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Group it reads as; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a widget and print the one tag that puts it on a page."""
    client: Client = context.obj
    body: dict[str, Any] = {"name": name, "origins": origin, "groups": group or []}
    if corpus:
        body["corpora"] = corpus
    made = client.post("/v1/widgets", body)
    tag = widget_tag(client.address.url, made["id"])
    if as_json:
        emit(made | {"tag": tag})
        return
    err.print(f"Put this tag on the pages of {', '.join(made['origins'])}:", style="bold")
    typer.echo(tag)


def widget_tag(url: str, widget_id: str) -> str:
    """Write the tag that puts a widget on a page."""
    return f'<script src="{escape(url)}/widget.js" data-widget="{escape(widget_id)}" defer></script>'


@app.command("list")
def list_widgets(context: typer.Context, as_json: AsJson = False) -> None:
    """List every widget."""
    client: Client = context.obj
    widgets = client.get("/v1/widgets")
    if as_json:
        emit(widgets)
        return
    rows = table("Id", "Name", "Origins", "Corpora", "Groups")
    for widget in widgets["items"]:
        corpora = "all" if widget["corpora"] is None else ", ".join(widget["corpora"])
        rows.add_row(
            widget["id"], widget["name"], ", ".join(widget["origins"]), corpora, ", ".join(widget["groups"]) or "-"
        )
    out.print(rows)


@app.command()
def delete(
    context: typer.Context, widget_id: Annotated[str, typer.Argument(help="Id from the list.")], as_json: AsJson = False
) -> None:
    """Delete a widget; its sessions end at once."""
    client: Client = context.obj
    client.delete(f"/v1/widgets/{quote(widget_id, safe='')}")
    if as_json:
        emit({"id": widget_id, "deleted": True})
    else:
        out.print(f"{widget_id} is gone.")
