"""What the commands print: results on stdout, everything for the person beside it on stderr."""

import json
import re
import sys
from typing import Annotated, Any

import typer
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]

# Documents and their names come from anybody: an escape sequence in one must not reach the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


_PIPE_WIDTH = 200


class _Plain(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_CONTROL.sub("", text), **options)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width; in 80 columns every id would be broken.
    width = None if stream.isatty() else _PIPE_WIDTH
    return _Plain(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


out = _console(stderr=False)
err = _console(stderr=True)


def emit(value: Any) -> None:
    """Print a value as JSON; what would steer a terminal stands in it as an escape."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    typer.echo(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Make a plain table; the columns in `right` hold numbers."""
    made = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        justify: JustifyMethod = "right" if column in right else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column == "Id" or column in right)
    return made


def counted(number: int, noun: str) -> str:
    """Write '1 file' and '2 files'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def states(counts: dict[str, int]) -> str:
    """Write counts by state as one phrase."""
    return ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()) if count) or "no documents"


def dollars(amount: object) -> str:
    """Write an amount of the API, which is exact, for people."""
    return f"${amount}"
