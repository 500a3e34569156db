"""A corpus's report as people read it."""

from collections.abc import Sequence
from typing import Any

from cli.output import counted, dollars, out, table


def show_report(report: dict[str, Any]) -> None:
    """Print the counts, then what stands behind each, as far as it was asked for."""
    size = report["size"]
    out.print(f"{report['corpus']}: {counted(report['documents'], 'document')}", style="bold")
    rows = table("", "Count", right=("Count",))
    for name, count in _counts(report):
        rows.add_row(name, f"{count:,}")
    out.print(rows)
    out.print(
        f"Size: {counted(size['chunks'], 'chunk')}, {counted(size['tokens'], 'token')}, "
        f"{size['bytes'] / 1e6:,.1f} MB; embedding it anew costs {dollars(size['embedding_cost_usd'])}."
    )
    languages = ", ".join(f"{name} {count:,}" for name, count in report["languages"].items())
    out.print(f"Languages: {languages or 'none known yet'}")
    for warning in report["warnings"]:
        out.print(f"Warning: {warning}", style="yellow")
    _list("Exact duplicates", ("Documents",), [(", ".join(i["keys"]),) for i in report["exact_duplicates"]["items"]])
    near = [(i["key"], i["of_key"], f"{i['resemblance']:.0%}") for i in report["near_duplicates"]["items"]]
    _list("Near-duplicates", ("Document", "Of", "Alike"), near)
    stale = [(i["key"], i["dated"][:10]) for i in report["stale"]["items"]]
    _list("Stale", ("Document", "Dated"), stale)
    broken = [(i["key"], i["reason"], i["hint"]) for i in report["unreadable"]["items"]]
    _list("Unreadable", ("Document", "Reason", "What to do"), broken)


def _counts(report: dict[str, Any]) -> list[tuple[str, int]]:
    return [
        ("Exact duplicates", report["exact_duplicates"]["count"]),
        ("Near-duplicates", report["near_duplicates"]["count"]),
        ("Superseded versions", report["superseded_versions"]),
        (f"Older than {report['stale']['older_than_days']} days", report["stale"]["count"]),
        ("Unreadable", report["unreadable"]["count"]),
    ]


def _list(title: str, columns: tuple[str, ...], items: Sequence[tuple[str, ...]]) -> None:
    if not items:
        return
    out.print(f"\n{title}", style="bold")
    rows = table(*columns)
    for item in items:
        rows.add_row(*item)
    out.print(rows)
