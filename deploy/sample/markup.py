"""Reads the small part of Markdown in which the sample's binary files are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """One heading, paragraph, bullet, numbered item, table or (in slides) speaker's note."""

    kind: str
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def read_blocks(path: Path) -> list[Block]:
    """The blocks of a file, in order; every paragraph stands on one line."""
    return list(_blocks(path.read_text(encoding="utf-8").splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    rows: list[tuple[str, ...]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if not all(set(cell) <= {"-"} for cell in cells):
                rows.append(cells)
            continue
        if rows:
            yield Block("table", rows=tuple(rows))
            rows = []
        if heading := re.match(r"(#+) (.*)", line):
            yield Block("heading", heading[2], level=len(heading[1]))
        elif line.startswith("- "):
            yield Block("bullet", line[2:])
        elif item := re.match(r"(\d+)\. (.*)", line):
            yield Block("number", item[2], level=int(item[1]))
        elif line.startswith("> "):
            yield Block("note", line[2:])
        elif line:
            yield Block("paragraph", line)
