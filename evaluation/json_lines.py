"""Reading JSON objects line by line, with messages that name the file, the line and the fix."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moat.errors import InvalidRequest

Row = dict[str, Any]


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8 at byte {error.start}.", "Save it as UTF-8 and try again.") from None


def read_json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (where, object) for each line that is not blank; `where` names file and line for a message."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, _parse(line, where)


def as_object(value: object, where: str) -> Row:
    """Take a JSON object and refuse anything else."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where}: expected a JSON object, got {type(value).__name__}.", "Write {...} there.")
    return value


def required_text(row: Row, name: str, where: str) -> str:
    """Give a field that must hold text; a whole number serves too, since ids often are."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise InvalidRequest(f"{where}: {name!r} is missing or empty.", f"Give {name!r} there, as text.")
    return str(value)


def _parse(line: str, where: str) -> Row:
    try:
        return as_object(json.loads(line), where)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"{where}: not JSON ({error.msg}, column {error.colno}).", "Write one whole JSON object on each line."
        ) from None
