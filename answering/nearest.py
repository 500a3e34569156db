"""What is said instead of an answer: that there is none, where it was looked for, and what came nearest."""

from collections.abc import Sequence
from uuid import UUID

from answering.inert import Inert
from answering.query import Found

NEAREST_TITLES = 3


def nothing_found(found: Found, hosts: Sequence[str]) -> tuple[str, set[UUID]]:
    """Say it, and give the documents that are named; a title may be anything, so it is made inert."""
    if not found.corpora:
        return "Nothing in the documents you may read answers this: there is no corpus you may read.", set()
    where = ", ".join(found.corpora)
    if found.documents is not None:
        where = f"{found.documents} chosen document{'s' if found.documents > 1 else ''} of {where}"
    text = f"Nothing in the documents you may read answers this. Searched: {where}."
    titles = list(dict.fromkeys(passage.title for passage in found.passages))[:NEAREST_TITLES]
    named = {passage.document_id for passage in found.passages if passage.title in titles}
    said = f" The nearest documents are: {'; '.join(titles)}." if titles else " No document is ready there."
    return Inert([passage.title for passage in found.passages], hosts).clean(text + said), named
