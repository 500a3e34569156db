"""Personal data and secrets masked in what a parser found, before any of it is stored."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from ingest.cleaning.characters import compose
from ingest.redaction.national import national_ids
from ingest.redaction.numbers import addresses, cards, ibans
from ingest.redaction.words import emails, phones, secrets
from moat.characters import drop_invisible
from moat.pipeline_settings import RedactionSettings
from moat.records import Element, ParsedDocument

__all__ = ["find", "mask", "redact"]

Span = tuple[int, int]
Finder = Callable[[str], Iterable[Span]]

# The surest comes first: what it found is no longer looked at by those behind it.
_FINDERS: dict[str, Finder] = {
    "secret": secrets,
    "iban": ibans,
    "email": emails,
    "card": cards,
    "national_id": national_ids,
    "ip": addresses,
    "phone": phones,
}
# Whatever is masked needs one of these: most prose has none, and passes after one look.
_WORTH_A_LOOK = re.compile(r"@|\d\D{0,3}\d\D{0,3}\d|[:=]|(?i:password|secret|bearer|passphrase|token)|::")


def redact(parsed: ParsedDocument, settings: RedactionSettings) -> ParsedDocument:
    """Mask every element, the title and the warnings; `masked` adds up how many of each type there were."""
    if settings.mode == "off":
        return parsed
    counts = Counter(dict(parsed.masked))
    elements = tuple(_redacted(element, settings, counts) for element in parsed.elements)
    title = _masked(parsed.title, settings, counts)
    warnings = tuple(_masked(warning, settings, counts) for warning in parsed.warnings)
    masked = tuple(sorted(counts.items()))
    return replace(parsed, elements=elements, title=title, warnings=warnings, masked=masked)


def mask(text: str, settings: RedactionSettings) -> tuple[str, Counter[str]]:
    """Write `[type]` in the place of everything that the settings name."""
    counts: Counter[str] = Counter()
    return (text if settings.mode == "off" else _masked(text, settings, counts)), counts


def _masked(text: str, settings: RedactionSettings, counts: Counter[str]) -> str:
    if not _WORTH_A_LOOK.search(text):
        return text
    # An invisible character inside an address would hide it here, and cleaning would put it together again.
    text = compose(drop_invisible(text)[0])[0]
    parts, last = [], 0
    for start, end, kind in find(text, settings.types):
        parts += [text[last:start], f"[{kind}]"]
        last = end
        counts[kind] += 1
    return "".join((*parts, text[last:]))


def find(text: str, types: Iterable[str]) -> list[tuple[int, int, str]]:
    """Give (start, end, type) in reading order, without overlaps."""
    wanted, found = set(types), []
    for kind, finder in _FINDERS.items():
        if kind in wanted:
            found += [(start, end, kind) for start, end in finder(text)]
    taken: list[tuple[int, int, str]] = []
    for start, end, kind in found:
        if all(end <= s or start >= e for s, e, _ in taken):
            taken.append((start, end, kind))
    return sorted(taken)


def _redacted(element: Element, settings: RedactionSettings, counts: Counter[str]) -> Element:
    text = _masked(element.text, settings, counts)
    rows = tuple(tuple(_masked(cell, settings, counts) for cell in row) for row in element.rows)
    return element if text == element.text and rows == element.rows else replace(element, text=text, rows=rows)
