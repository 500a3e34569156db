"""A few shapes of SVG, enough for a chart that opens in any browser; no script, no font of its own."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

WIDTH = 760
COLOURS = ("#1f5fa8", "#d1622b", "#2f8f4e", "#8a4fa3", "#b0892a", "#3a9aa8", "#b03a55", "#6b6b6b")
INK, FAINT = "#222222", "#d9d9d9"
_FONT = "font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif"


def colour(place: int) -> str:
    """Give the colour of the arm at this place."""
    return COLOURS[place % len(COLOURS)]


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    anchor: str = "start",
    fill: str = INK,
    bold: bool = False,
    halo: bool = False,
) -> str:
    """Write words on one line; `anchor` is start, middle or end, `halo` keeps lines behind the words away."""
    weight = ' font-weight="600"' if bold else ""
    weight += ' stroke="white" stroke-width="4" paint-order="stroke"' if halo else ""
    look = f'font-size="{size}" text-anchor="{anchor}" fill="{fill}"{weight}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = FAINT, width: float = 1, dash: str = "") -> str:
    """Draw a straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{width}"{dashes}/>'


def path(points: Sequence[tuple[float, float]], stroke: str, width: float = 2) -> str:
    """Draw a line through all points."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{steps}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"/>'


def dot(x: float, y: float, fill: str, *, radius: float = 5, title: str = "", hollow: bool = False) -> str:
    """Draw a point, with words that show when the mouse rests on it."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    look = f'fill="white" stroke="{fill}" stroke-width="2"' if hollow else f'fill="{fill}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {look}>{inside}</circle>'


def document(parts: Sequence[tuple[str, float]], title: str) -> str:
    """Set pieces of a given height below each other and make a whole picture of them."""
    body, top = [], 0.0
    for content, height in parts:
        body.append(f'<g transform="translate(0,{top:.1f})">{content}</g>')
        top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" width="{WIDTH}" height="{top:.0f}" '
        f'role="img" aria-label={quoteattr(title)} style="{_FONT}">'
        f'<rect width="{WIDTH}" height="{top:.0f}" fill="white"/>{"".join(body)}</svg>\n'
    )
