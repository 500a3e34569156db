"""How tables and their figures are written, in Markdown and in JSON."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from evaluation.bootstrap import Difference


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table: names to the left, numbers to the right."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *body])


def share(value: float | None) -> str:
    """Write a share or a mean to three places."""
    return "–" if value is None else f"{value:.3f}"


def milliseconds(value: float | None) -> str:
    """Write milliseconds to one place."""
    return "–" if value is None else f"{value:.1f}"


def count(value: float | None) -> str:
    """Write a mean of counts as a whole number."""
    return "–" if value is None else f"{value:,.0f}"


def dollars(amount: Decimal | None) -> str:
    """Write dollars to four figures behind the leading zeros; small prices would all be 0.00."""
    if amount is None:
        return "–"
    return f"{amount:.2f}" if amount == 0 or amount >= 100 else f"{Decimal(f'{amount:.4g}'):f}"


def interval(difference: Difference, name: str) -> str:
    """Write a measure's difference with its interval, bold where that excludes 0."""
    places = {"usd": 6, "input_tokens": 1}.get(name, 3)
    numbers = (f"{number:+.{places}f}" for number in (difference.mean, difference.low, difference.high))
    text = "{} [{}, {}]".format(*numbers)
    return f"**{text}**" if difference.sure else text


def plain(value: Any) -> Any:
    """Make JSON values of nested dictionaries and sequences; money becomes a decimal string."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return f"{value:f}" if isinstance(value, Decimal) else value
