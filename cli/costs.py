"""`moat costs`: what was spent, from the ledger."""

from typing import Annotated, Any

import typer

from cli.client import Client
from cli.output import AsJson, dollars, emit, out, table

_NUMBERS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


def costs(
    context: typer.Context,
    since: Annotated[str | None, typer.Option("--from", help="From this day or time on, in UTC.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this day or time, in UTC.")] = None,
    by: Annotated[str, typer.Option(help="What to sum by, such as day,model,corpus.")] = "day,model",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sum what was spent; an admin's key sees every call, another its own."""
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
