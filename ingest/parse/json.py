"""JSON as lines of `path: value`, one element a record, so that every value keeps its name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.decode import decode
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_HINT = "Check the file with a JSON validator, correct it, and send it again."


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read a JSON value or lines of JSON; a list's entries and an object's larger parts are elements of their own."""
    text = decode(path.read_bytes())
    try:
        elements = tuple(_elements(_load(text)))
    except RecursionError as error:
        raise ParsingFailed(f"{name!r} is nested too deeply.", "Flatten it and send it again.") from error
    except ValueError as error:
        raise ParsingFailed(f"{name!r} is not valid JSON: {error}.", _HINT) from error
    return ParsedDocument(elements)


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith(("{", "[")):
            raise
        try:
            return [json.loads(line) for line in lines]
        except ValueError:
            pass
        raise


def _elements(value: Any) -> Iterator[Element]:
    if isinstance(value, list):
        for entry in value:
            yield from _record(entry)
    elif isinstance(value, dict):
        small = {key: part for key, part in value.items() if not isinstance(part, dict | list)}
        yield from _record(small)
        for key, part in value.items():
            if isinstance(part, dict | list) and part:
                yield Element("heading", str(key), level=1)
                for entry in part if isinstance(part, list) else [part]:
                    yield from _record(entry)
    else:
        yield from _record(value)


def _record(value: Any) -> Iterator[Element]:
    lines = "\n".join(_lines(value, ""))
    if lines:
        yield Element("text", lines)


def _lines(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _lines(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        if all(not isinstance(part, dict | list) for part in value):
            yield from _lines(", ".join(map(_scalar, value)), path)
        else:
            for number, part in enumerate(value, 1):
                yield from _lines(part, f"{path}.{number}" if path else str(number))
    else:
        text = _scalar(value)
        if text:
            yield f"{path}: {text}" if path else text


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
