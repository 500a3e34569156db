"""The rules that repair a document's text or leave a part of it out; each can be switched off and is counted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ingest.cleaning.characters import compose, repair_mojibake
from ingest.cleaning.hyphens import Hyphens
from ingest.cleaning.running import without_running_lines
from moat.characters import drop_invisible
from moat.pipeline_settings import CleaningSettings
from moat.records import Element, ParsedDocument

__all__ = ["clean_elements"]

Repair = Callable[[str], tuple[str, int]]

# What a parser marked, and the name of the rule that leaves it out.
_MARKS = {
    "hidden": "hidden_text",
    "boilerplate": "boilerplate",
    "quoted": "quoted_replies",
    "signature": "signatures",
    "running": "running_headers",
}


def clean_elements(parsed: ParsedDocument, settings: CleaningSettings) -> tuple[ParsedDocument, Counter[str]]:
    """Apply every rule that is on; the counter tells how often each one changed something."""
    counts: Counter[str] = Counter()
    elements = _without_marked(parsed.elements, settings, counts)
    repairs = _repairs(settings)
    elements = [_repaired(element, repairs, counts) for element in elements]
    if settings.running_headers:
        elements, dropped = without_running_lines(elements)
        counts["running_headers"] += dropped
    if settings.hyphenation:
        hyphens = Hyphens(elements)
        elements = [_repaired(e, {"hyphenation": hyphens.join}, counts) if _is_prose(e) else e for e in elements]
    title = _apply(parsed.title, repairs, counts)
    return replace(parsed, elements=tuple(elements), title=title), +counts


def _without_marked(elements: tuple[Element, ...], settings: CleaningSettings, counts: Counter[str]) -> list[Element]:
    """Leave out what is marked and not wanted, unless nothing at all would be left of what can be seen."""
    on = {
        "hidden": settings.hidden_text,
        "boilerplate": settings.boilerplate,
        "quoted": settings.quoted_replies,
        "signature": settings.signatures,
        "running": settings.running_headers,
    }
    dropped = {mark for mark in on if on[mark]}
    kept = [element for element in elements if element.mark not in dropped]
    # A mail that only quotes, or a page that is all menu, is still what somebody put here to be found.
    if not any(element.kind not in ("title", "heading") for element in kept):
        kept = [element for element in elements if element.mark not in dropped or element.mark != "hidden"]
    left_out = Counter(element.mark for element in elements) - Counter(element.mark for element in kept)
    counts.update({_MARKS[mark]: number for mark, number in left_out.items()})
    return kept


def _repairs(settings: CleaningSettings) -> dict[str, Repair]:
    every: tuple[tuple[str, bool, Repair], ...] = (
        ("mojibake", settings.mojibake, repair_mojibake),
        ("invisible", settings.invisible, drop_invisible),
        ("unicode_forms", settings.unicode_forms, compose),
    )
    return {name: repair for name, is_on, repair in every if is_on}


def _repaired(element: Element, repairs: dict[str, Repair], counts: Counter[str]) -> Element:
    if not element.rows and element.text.isascii() and "hyphenation" not in repairs:
        return element  # most of all elements
    text = _apply(element.text, repairs, counts)
    rows = element.rows
    if rows and not all(cell.isascii() for row in rows for cell in row):
        rows = tuple(tuple(_apply(cell, repairs, counts) for cell in row) for row in rows)
    if text is element.text and rows is element.rows:
        return element
    return replace(element, text=text, rows=rows)


def _apply(text: str, repairs: dict[str, Repair], counts: Counter[str]) -> str:
    for name, repair in repairs.items():
        text, changes = repair(text)
        if changes:
            counts[name] += changes
    return text


def _is_prose(element: Element) -> bool:
    return element.kind in ("text", "list_item") and "-\n" in element.text
