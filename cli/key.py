"""`moat key`: API keys, shown once."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, emit, err, out, table

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    user: Annotated[str, typer.Option(help="Whom its calls are booked on.")],
    group: Annotated[list[str] | None, typer.Option(help="Group it reads as; may be repeated.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="read, ask, upload or admin; may be repeated. Default: read and ask.")
    ] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="Only this corpus; may be repeated.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is printed once and never again."""
    client: Client = context.obj
    body: dict[str, Any] = {"name": name, "user": user, "groups": group or []}
    if scope:
        body["scopes"] = scope
    if corpus:
        body["corpora"] = corpus
    if expires_days:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=expires_days)).isoformat()
    made = client.post("/v1/keys", body)
    if as_json:
        emit(made)
        return
    err.print("This key is shown once; keep it now:", style="bold")
    typer.echo(made["key"])


@app.command("list")
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """List every key by its prefix."""
    client: Client = context.obj
    keys = client.get("/v1/keys")
    if as_json:
        emit(keys)
        return
    rows = table("Id", "Prefix", "Name", "User", "Groups", "Scopes", "Last used", "State")
    for key in keys["items"]:
        groups, scopes = ", ".join(key["groups"]), ", ".join(key["scopes"])
        used = (key["last_used_at"] or "never")[:16]
        rows.add_row(key["id"], key["prefix"], key["name"], key["user"], groups, scopes, used, _state(key))
    out.print(rows)


@app.command()
def revoke(
    context: typer.Context, key_id: Annotated[str, typer.Argument(help="Id from the list.")], as_json: AsJson = False
) -> None:
    """Revoke a key at once."""
    client: Client = context.obj
    revoked = client.delete(f"/v1/keys/{quote(key_id, safe='')}")
    if as_json:
        emit(revoked)
    else:
        out.print(f"{revoked['name']} ({revoked['prefix']}…) no longer works.")


def _state(key: JsonObject) -> str:
    if key["revoked_at"]:
        return "revoked"
    if not key["expires_at"]:
        return "valid"
    expires = datetime.fromisoformat(key["expires_at"])
    word = "expired" if expires < datetime.now(UTC) else "valid until"
    return f"{word} {expires:%Y-%m-%d}"
