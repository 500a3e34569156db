"""`moat costs`: what was spent, from the ledger."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.client import Client
from cli.cost_checks import show_reconciled, show_repriced
from cli.output import AsJson, dollars, emit, out, table
from moat.errors import InvalidRequest

_NUMBERS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


app = typer.Typer(help="What was spent, what will be, and whether it is what the providers bill.")


@app.callback(invoke_without_command=True)
def costs(
    context: typer.Context,
    since: Annotated[str | None, typer.Option("--from", help="From this day or time on, in UTC.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this day or time, in UTC.")] = None,
    by: Annotated[str, typer.Option(help="What to sum by, such as day,model,corpus.")] = "day,model",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sum what was spent; an admin's key sees every call, another its own."""
    if context.invoked_subcommand is not None:
        return
    client: Client = context.obj
    groups = [name.strip() for name in by.split(",") if name.strip()]
    params: dict[str, Any] = {"group_by": groups}
    params |= {name: value for name, value in (("from", since), ("to", until)) if value}
    if as_csv:
        typer.echo(client.text("/v1/costs", params | {"format": "csv"}), nl=False)
        return
    spent = client.get("/v1/costs", params)
    if as_json:
        emit(spent)
        return
    titles = [name.replace("_", " ") for name in (*_NUMBERS, "cost_usd")]
    rows = table(*groups, *titles, right=tuple(titles))
    for item in spent["items"]:
        names = [str(item[name] or "-") for name in groups]
        rows.add_row(*names, *(f"{item[name]:,}" for name in _NUMBERS), dollars(item["cost_usd"]))
    if spent["items"]:
        out.print(rows)
    out.print(f"Total {dollars(spent['total_usd'])}", style="bold")


@app.command()
def forecast(
    context: typer.Context,
    period: Annotated[Literal["day", "week", "month"], typer.Argument(help="Whose end is looked at.")] = "month",
    as_json: AsJson = False,
) -> None:
    """Say what will have been spent at the period's end, going by the last seven days."""
    client: Client = context.obj
    found = client.get("/v1/costs/forecast", {"period": period})
    if as_json:
        emit(found)
        return
    out.print(f"Spent since {found['starts_at'][:10]}: {dollars(found['spent_usd'])}")
    seen = f"{found['days_seen']} whole days" if found["days_seen"] else "today so far"
    out.print(f"A day, by {seen}: {dollars(found['daily_usd'])}")
    out.print(f"Expected by {found['ends_at'][:10]}: {dollars(found['expected_usd'])}", style="bold")


@app.command()
def reconcile(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV that the provider's console exports.")],
    provider: Annotated[
        str, typer.Option(help="Whose calls, by its name in moat.toml; else the file's shape says.")
    ] = "",
    within: Annotated[str, typer.Option(help="Dollars a line may differ by, as exports are rounded.")] = "0",
    as_json: AsJson = False,
) -> None:
    """Compare a provider's usage or cost export with the ledger, and explain each difference."""
    client: Client = context.obj
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is no text in UTF-8.", "Export it as CSV.") from error
    found = client.post("/v1/costs/reconcile", {"csv": text, "provider": provider, "within_usd": within})
    if as_json:
        emit(found)
    else:
        show_reconciled(found)


@app.command()
def reprice(
    context: typer.Context,
    since: Annotated[str | None, typer.Option("--from", help="From this day or time on, in UTC.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this day or time, in UTC.")] = None,
    as_json: AsJson = False,
) -> None:
    """Work out every call's cost anew, by the prices it was billed by and by today's."""
    client: Client = context.obj
    found = client.get("/v1/costs/reprice", {n: v for n, v in (("from", since), ("to", until)) if v})
    if as_json:
        emit(found)
    else:
        show_repriced(found)
    if found["differing"]:
        raise typer.Exit(1)
