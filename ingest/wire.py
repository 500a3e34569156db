"""Compact JSON for what parsing gives, on the sandbox's pipe and in blobs."""

import json
from typing import Any

from moat.records import CanonicalText, Element, PageSpan, ParsedDocument


def dump_parsed(parsed: ParsedDocument) -> bytes:
    """Write a parsed document; `load_parsed` gives an equal one back."""
    return _dump(
        {
            "title": parsed.title,
            "pages": parsed.pages,
            "warnings": parsed.warnings,
            "members": parsed.members,
            "masked": parsed.masked,
            "elements": [[e.kind, e.text, e.page, e.level, e.rows, e.mark] for e in parsed.elements],
        }
    )


def load_parsed(data: bytes) -> ParsedDocument:
    """Read what `dump_parsed` wrote."""
    found = json.loads(data)
    return ParsedDocument(
        elements=tuple(
            Element(kind, text, page, level, tuple(tuple(row) for row in rows), mark)
            for kind, text, page, level, rows, mark in found["elements"]
        ),
        title=found["title"],
        pages=found["pages"],
        warnings=tuple(found["warnings"]),
        members=found.get("members", 0),
        masked=tuple((kind, count) for kind, count in found["masked"]),
    )


def dump_canonical(canonical: CanonicalText) -> bytes:
    """Write a canonical text; `load_canonical` gives an equal one back."""
    spans = [[s.page, s.start, s.end] for s in canonical.page_map]
    return _dump({"title": canonical.title, "text": canonical.text, "page_map": spans})


def load_canonical(data: bytes) -> CanonicalText:
    """Read what `dump_canonical` wrote."""
    found = json.loads(data)
    return CanonicalText(found["text"], found["title"], tuple(PageSpan(*span) for span in found["page_map"]))


def _dump(value: dict[str, Any]) -> bytes:
    # Broken encodings can leave half a surrogate pair in a parser's text; it cannot be stored, and cleaning drops it.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
