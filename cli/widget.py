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
    signed_only: Annotated[
        bool, typer.Option("--signed-only", help="Take only visitors for whom the page's server signs.")
    ] = False,
    signed_group: Annotated[
        list[str] | None, typer.Option(help="Group a signature may state, or '*' for any; may be repeated.")
    ] = None,
    moat_users: Annotated[
        bool, typer.Option("--moat-users", help="Signatures name Moat's users, with all that they may read.")
    ] = False,
    limit_usd: Annotated[str | None, typer.Option(help="Most that one session may cost, in dollars.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a widget and print the one tag that puts it on a page."""
    client: Client = context.obj
    body: dict[str, Any] = {"name": name, "origins": origin, "groups": group or []}
    if corpus:
        body["corpora"] = corpus
    body |= {"signed_only": signed_only, "signed_groups": signed_group or [], "limit_usd": limit_usd}
    body["users"] = "moat" if moat_users else "page"
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
    rows = table("Id", "Name", "Origins", "Corpora", "Groups", "Signed", "Limit")
    for widget in widgets["items"]:
        corpora = "all" if widget["corpora"] is None else ", ".join(widget["corpora"])
        origins, groups = ", ".join(widget["origins"]), ", ".join(widget["groups"]) or "-"
        signed = "only" if widget["signed_only"] else "-"
        limit = f"${widget['limit_usd']}" if widget["limit_usd"] is not None else "-"
        rows.add_row(widget["id"], widget["name"], origins, corpora, groups, signed, limit)
    out.print(rows)


@app.command()
def secret(
    context: typer.Context, widget_id: Annotated[str, typer.Argument(help="Id from the list.")], as_json: AsJson = False
) -> None:
    """Make the secret that the page's server signs with, printed once; one made before stops working at once."""
    client: Client = context.obj
    made = client.post(f"/v1/widgets/{quote(widget_id, safe='')}/secret", {})
    if as_json:
        emit(made)
        return
    err.print("This secret is shown once; it belongs on the page's server, never into a page:", style="bold")
    typer.echo(made["secret"])


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
