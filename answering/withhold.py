"""Take out of an answer what was made of documents that are gone, or that its reader may no longer read."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from answering.sentences import sentence_spans
from moat.records import Answer

WITHHELD = "This answer is no longer shown: documents that it was made of are gone."
PARTLY_WITHHELD = "Parts of this answer are no longer shown: documents that it was made of are gone."
_MARKERS = re.compile(r"(?:\s*\[\d+\])+")


def without(body: Mapping[str, Any], gone: Collection[UUID]) -> dict[str, Any]:
    """Take out of a stored answer the citations of these documents, and every sentence that may be made of them.

    What stays rests on a quote of a document that is still there: a sentence without a marker may be made of any.
    """
    missing = {str(document) for document in gone}
    kept = [citation for citation in body["citations"] if citation["document_id"] not in missing]
    text, changed = _text(body["answer"], {c["marker"]: c["quote"] for c in kept})
    lost = len(body["citations"]) - len(kept)
    if not lost and not changed:
        return dict(body)
    withheld = body.get("withheld", 0) + lost
    return _shown(body, text, kept, withheld)


def without_anything(body: Mapping[str, Any]) -> dict[str, Any]:
    """Withhold a stored answer whole."""
    return _shown(body, "", [], body.get("withheld", 0) + len(body["citations"]))


def _shown(body: Mapping[str, Any], text: str, citations: list[Any], withheld: int) -> dict[str, Any]:
    note, links = _note(body.get("note", "")), _links(body.get("links", ()), text)
    shown = {"answer": text or WITHHELD, "citations": citations, "note": note, "withheld": withheld, "links": links}
    return {**body, **shown}


def without_record(answer: Answer, gone: Collection[UUID]) -> Answer:
    """Do the same to an answer that is not stored yet."""
    if not gone:
        return answer
    kept = tuple(citation for citation in answer.citations if citation.document_id not in gone)
    text, changed = _text(answer.answer, {c.marker: c.quote for c in kept})
    lost = len(answer.citations) - len(kept)
    if not lost and not changed:
        return answer
    links = tuple(_links(answer.links, text))
    return replace(answer, answer=text or WITHHELD, citations=kept, note=_note(answer.note), withheld=lost, links=links)


def _links(links: Iterable[str], text: str) -> list[str]:
    """Keep the addresses that still stand in the text: the others are of documents that are gone, too."""
    return [link for link in links if link in text]


def _note(before: str) -> str:
    return before if PARTLY_WITHHELD in before else " ".join(filter(None, [before, PARTLY_WITHHELD]))


def _text(text: str, quotes: Mapping[int, str]) -> tuple[str, bool]:
    """Keep the sentences that markers of these quotes stand behind, and tell whether that was not all."""
    kept: list[str] = []
    cursor = 0
    for match in _MARKERS.finditer(text):
        piece, markers = text[cursor : match.start()], [int(n) for n in re.findall(r"\d+", match[0])]
        cursor = match.end()
        if all(marker in quotes for marker in markers):
            kept.append(_backed(piece, (quotes[m] for m in markers)) + match[0])
    remaining = "".join(kept).strip()
    changed = _words(remaining) != _words(text)
    return (remaining, True) if changed else (text, False)


def _backed(piece: str, quotes: Iterable[str]) -> str:
    """Give what a marker vouches for: a quote whole, else the last sentence before it."""
    if _words(piece) in [_words(quote) for quote in quotes]:
        return piece
    spans = sentence_spans(piece)
    if not spans:
        return ""
    start = spans[-1][0] if len(spans) > 1 else 0
    return (" " if start else "") + piece[start:]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)
