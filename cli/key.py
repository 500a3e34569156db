"""`moat key`: API keys, shown once."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, emit, err, out, table

app = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)
ExpiresDays = Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires.")]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    user: Annotated[str, typer.Option(help="Whom its calls are booked on.")],
    group: Annotated[list[str] | None, typer.Option(help="Group it reads as; may be repeated.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, ask, upload, admin, act_for or metrics; may be repeated. Default: read and ask."),
    ] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="Only this corpus; may be repeated.")] = None,
    expires_days: ExpiresDays = None,
    act_for_group: Annotated[
        list[str] | None,
        typer.Option(help="With the scope act_for: group it may state, or '*' for any; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is printed once and never again."""
    client: Client = context.obj
    body: dict[str, Any] = {"name": name, "user": user, "groups": group or []}
    if act_for_group:
        body["act_for_groups"] = act_for_group
    if scope:
        body["scopes"] = scope
    if corpus:
        body["corpora"] = corpus
    if expires_days:
        body["expires_at"] = _in_days(expires_days)
    _show_once(client.post("/v1/keys", body), as_json)


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
def rotate(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="Id from the list.")],
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="Hours for which the secret of before works on.")
    ] = 24,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret, printed once; the one before works on for a while."""
    client: Client = context.obj
    body: dict[str, Any] = {"overlap_s": round(overlap_hours * 3600)}
    if expires_days:
        body["expires_at"] = _in_days(expires_days)
    _show_once(client.post(f"/v1/keys/{quote(key_id, safe='')}/rotate", body), as_json)


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


def _in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def _show_once(made: JsonObject, as_json: bool) -> None:
    if as_json:
        emit(made)
        return
    err.print("This key is shown once; keep it now:", style="bold")
    typer.echo(made["key"])


def _state(key: JsonObject) -> str:
    if key["revoked_at"]:
        return "revoked"
    now, state = datetime.now(UTC), "valid"
    if key["expires_at"]:
        expires = datetime.fromisoformat(key["expires_at"])
        state = f"{'expired' if expires < now else 'valid until'} {expires:%Y-%m-%d}"
    if key["previous_until"] and (until := datetime.fromisoformat(key["previous_until"])) > now:
        state += f", the secret before until {until:%Y-%m-%d %H:%M}"
    return state
