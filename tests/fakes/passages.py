"""Passages for tests that need no search."""

from uuid import NAMESPACE_URL, UUID, uuid5

from moat.records import Passage


def passage(text: str, *, document: str = "a.md", ordinal: int = 0, start: int = 0, page: int | None = None) -> Passage:
    """Make a passage of a document named `document`, whose text begins at `start` of the canonical text."""
    return Passage(
        passage_id=uuid5(NAMESPACE_URL, f"{document}/{ordinal}"),
        document_id=document_id(document),
        key=document,
        version=1,
        ordinal=ordinal,
        title=document,
        corpus="hr",
        page=page,
        span=(start, start + len(text)),
        text=text,
        score=1.0,
    )


def document_id(document: str) -> UUID:
    return uuid5(NAMESPACE_URL, document)
