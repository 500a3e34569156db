"""Documents that say the same thing with other figures: shown beside each other with their dates, never averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from uuid import UUID

from sqlalchemy import and_, select

from answering.evidence import Evidence
from answering.facts import numbers
from answering.quote import Sentence
from moat.database import Database
from moat.records import Citation
from moat.tables import Document, Version

# Only what answers the question nearly as well as the best sentence is compared, and so many words must be shared.
LOOKED_AT = 8
RELATIVE_FLOOR = 0.75
ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Side:
    """A document of a conflict, and when its serving version came."""

    document_id: UUID
    since: datetime | None


Conflict = tuple[Side, Side]


def conflicts(evidence: Evidence, database: Database) -> tuple[Conflict, ...]:
    """Find the pairs of documents of which two good sentences differ in little but their numbers."""
    best = evidence.embedded[0].score if evidence.embedded else 0.0
    top = [w.sentence for w in evidence.embedded[:LOOKED_AT] if w.score >= RELATIVE_FLOOR * best]
    pairs = [(a.passage.document_id, b.passage.document_id) for a, b in combinations(top, 2) if disagree(a, b)]
    if not pairs:
        return ()
    dates = _dates({document for pair in pairs for document in pair}, database)
    return tuple((Side(a, dates.get(a)), Side(b, dates.get(b))) for a, b in dict.fromkeys(pairs))


def told(found: Sequence[Conflict], citations: Sequence[Citation]) -> str:
    """Tell a reader which sources disagree, by marker and date; empty without a conflict.

    No document is named or quoted: the note stays with an answer when its citations are withheld later.
    """
    if not found:
        return ""
    pairs = [
        f"{one} and {other}" for a, b in found if (one := _named(a, citations)) and (other := _named(b, citations))
    ]
    if not pairs:
        return "The documents give different figures for this; look at the nearest ones yourself."
    return f"The sources give different figures: compare {'; '.join(pairs)}."


def _named(side: Side, citations: Sequence[Citation]) -> str:
    marker = next((c.marker for c in citations if c.document_id == side.document_id), None)
    date = f" of {side.since:%Y-%m-%d}" if side.since else ""
    return f"[{marker}]{date}" if marker is not None else ""


def disagree(one: Sentence, other: Sentence) -> bool:
    """Tell two documents' sentences that differ in their numbers and in little else."""
    if one.passage.document_id == other.passage.document_id:
        return False
    mine, theirs = numbers(one.text), numbers(other.text)
    if not mine or not theirs or mine <= theirs or theirs <= mine:
        return False
    words, others = _words(one), _words(other)
    return bool(words and others) and len(words & others) >= ALIKE * max(len(words), len(others))


def _words(sentence: Sentence) -> set[str]:
    return {term for term in sentence.terms if not term.isdigit()}


def _dates(documents: set[UUID], database: Database) -> dict[UUID, datetime]:
    statement = (
        select(Version.document_id, Version.created_at)
        .join(Document, and_(Document.id == Version.document_id, Document.serving_version == Version.number))
        .where(Version.document_id.in_(documents))
    )
    with database.reading() as session:
        return {row.document_id: row.created_at for row in session.execute(statement)}
