"""Flags passages that read like instructions to a language model; nothing is removed for it."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest.instruction_patterns import PATTERNS
from ingest.openings import Patterns
from moat.records import CanonicalText, ParsedDocument

REPORTED_AT_MOST = 100
# A text is scanned up to here; what lies behind is named in the warnings.
SCANNED_CHARS = 10_000_000
_HIDDEN_CHARS = 100_000
# In pieces, because other threads wait while a pattern runs; longer than any finding is what two pieces share.
_PIECE, _SHARED = 40_000, 1_200
_BLOB = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{32,}={0,2}(?![A-Za-z0-9+/=_-])")
_WORDS = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,} [A-Za-z]{2,}")

_COMPILED = Patterns(PATTERNS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that reads like an instruction, [start, end) of the text that was scanned."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Finding]:
    """Find what reads like instructions to a model, in the order of the text; one finding a kind and place."""
    found: set[Finding] = set()
    for start in range(0, min(len(text), SCANNED_CHARS), _PIECE - _SHARED):
        found |= _find(text[start : start + _PIECE], start)
    return sorted(found, key=lambda finding: (finding.start, finding.end, finding.kind))


def _find(piece: str, at: int) -> set[Finding]:
    found = list(_COMPILED.find(piece))
    found += [("encoded", *m.span()) for m in _BLOB.finditer(piece) if _says_something(m[0])]
    return {Finding(kind, at + start, at + end) for kind, start, end in found}


def report(parsed: ParsedDocument, canonical: CanonicalText) -> list[dict[str, Any]]:
    """Write what was found as JSON: in the text with its span, in the title, and in what was hidden from readers."""
    found: list[dict[str, Any]] = [
        {"kind": f.kind, "where": "text", "span": [f.start, f.end]} for f in find(canonical.text)
    ]
    hidden = "\n".join(_hidden(parsed))[:_HIDDEN_CHARS]
    found += [{"kind": kind, "where": "title", "span": None} for kind in _kinds(canonical.title)]
    found += [{"kind": kind, "where": "hidden", "span": None} for kind in _kinds(hidden)]
    return sorted(found, key=lambda finding: finding["where"] == "text")[:REPORTED_AT_MOST]


def _kinds(text: str) -> list[str]:
    return sorted({finding.kind for finding in find(text)})


def _hidden(parsed: ParsedDocument) -> Iterable[str]:
    for element in parsed.elements:
        if element.mark == "hidden":
            yield element.text
            yield from (cell for row in element.rows for cell in row)


def _says_something(blob: str) -> bool:
    """Tell whether base64 or hexadecimal digits stand for words."""
    return any(_WORDS.search(text) for text in _decoded(blob))


def _decoded(blob: str) -> Iterator[str]:
    plain = blob.rstrip("=").translate(str.maketrans("-_", "+/"))
    for decode in (_from_base64, bytes.fromhex):
        try:
            yield decode(plain).decode("ascii")
        except (ValueError, binascii.Error):  # not written in this way, or no text
            continue


def _from_base64(plain: str) -> bytes:
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
