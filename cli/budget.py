"""`moat budget`: what may be spent, by whom, and how much of it is left."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, dollars, emit, out, table
from moat.errors import InvalidRequest

app = typer.Typer(help="List, set and remove budgets.", no_args_is_help=True)


Period = Literal["day", "week", "month", "total"]


@app.command("list")
def list_budgets(context: typer.Context, as_json: AsJson = False) -> None:
    """List budgets and what is left of them; a key without the scope 'admin' sees its own."""
    client: Client = context.obj
    found = client.get("/v1/budgets")
    if as_json:
        emit(found)
        return
    rows = table("Id", "Of", "Per", "Limit", "Spent", "Reserved", "Left", "Renews", "Kind")
    for item in found["items"]:
        spent, reserved, left = (dollars(item[name]) for name in ("spent_usd", "reserved_usd", "left_usd"))
        limit, renews = dollars(item["limit_usd"]), (item["renews_at"] or "never")[:16].replace("T", " ")
        rows.add_row(item["id"], _whose(item), item["period"], limit, spent, reserved, left, renews, _kind(item))
    if found["items"]:
        out.print(rows)
    else:
        out.print("There are no budgets.")


@app.command("set")
def set_budget(
    context: typer.Context,
    limit: Annotated[str, typer.Argument(help="The limit in dollars, such as 25 or 0.50.")],
    per: Annotated[Period, typer.Option(help="What the limit is for; each begins at midnight of UTC.")] = "month",
    corpus: Annotated[str | None, typer.Option(help="Limit what is spent on this corpus.")] = None,
    key: Annotated[str | None, typer.Option(help="Limit this key, by its id.")] = None,
    user: Annotated[str | None, typer.Option(help="Limit this user.")] = None,
    group: Annotated[str | None, typer.Option(help="Limit this group, all its members together.")] = None,
    soft: Annotated[bool, typer.Option("--soft", help="Only alert; refuse nothing.")] = False,
    cheaper_model: Annotated[
        str | None, typer.Option(help="Model to go to when a call does not fit; 'extractive' costs nothing.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what was spent in the period already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Limit what is spent in a period: by everybody, or by the one that is named."""
    client: Client = context.obj
    named = {"corpus": corpus, "key": key, "user": user, "group": group}
    given = {scope: subject for scope, subject in named.items() if subject is not None}
    if len(given) > 1:
        raise InvalidRequest(f"One budget is of one subject, not of {' and '.join(given)}.", "Set a budget for each.")
    scope, subject = next(iter(given.items()), ("deployment", ""))
    body: dict[str, Any] = {"scope": scope, "subject": subject, "period": per, "limit_usd": limit.lstrip("$")}
    body |= {"hard": not soft, "cheaper_model": cheaper_model, "dry_run": dry_run}
    made = client.put("/v1/budgets", body)
    if as_json:
        emit(made)
        return
    spent, of = dollars(made["spent_usd"]), dollars(made["limit_usd"])
    out.print(f"{_whose(made)}, {made['period']}: {spent} of {of} is spent, {dollars(made['left_usd'])} is left.")
    if dry_run:
        out.print("Nothing was changed; without --dry-run this holds at once.")


@app.command()
def remove(
    context: typer.Context, budget_id: Annotated[str, typer.Argument(help="Id from the list.")], as_json: AsJson = False
) -> None:
    """Remove a budget; the ledger keeps every call."""
    client: Client = context.obj
    client.delete(f"/v1/budgets/{quote(budget_id, safe='')}")
    if as_json:
        emit({"id": budget_id, "removed": True})
    else:
        out.print(f"The budget {budget_id} is gone.")


def _whose(item: JsonObject) -> str:
    return f"{item['scope']} {item['name']}".strip()


def _kind(item: JsonObject) -> str:
    kind = "hard" if item["hard"] else "soft"
    return f"{kind}, then {item['cheaper_model']}" if item["cheaper_model"] else kind
