"""Numbers as people read them, in Markdown tables."""

from collections.abc import Iterable, Sequence

NONE = "–"


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *body])


def number(value: float | None) -> str:
    """Write the digits that matter, and all of a whole number."""
    if value is None:
        return NONE
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{value:.2g}"


def ratio(ours: float | None, theirs: float | None) -> str:
    """Write ours / theirs, or a dash where one is missing or, as a difference can be, not above 0."""
    if ours is None or theirs is None or ours < 0 or theirs <= 0:
        return NONE
    return f"{ours / theirs:.2f}"


def share(part: float, whole: float) -> str:
    """Write a part of a whole in percent."""
    return f"{part / whole:.0%}" if whole else NONE
