"""Documents whose points do not say yet what the catalog says of them, so that a change holds from its commit on."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.access import Rule
from moat.records import DocumentState
from moat.tables import Document

# Of so many changes at once, the newest hold in the filter too. The others are let in when they are tidied, and
# are kept out by the catalog, which has the last word on every hit anyway.
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Lagging:
    """Documents to let in, or to keep out, whatever their points say."""

    readable: tuple[UUID, ...] = ()
    hidden: tuple[UUID, ...] = ()


UP_TO_DATE = Lagging()


def lagging(session: Session, rule: Rule, corpora: Iterable[UUID]) -> Lagging:
    """Name the documents of these corpora that were changed and not tidied, or are being deleted."""
    asked = set(corpora)
    # Not narrowed to the corpora in SQL: SQLite would then read them whole, in search of a handful.
    untidy = select(Document.id, Document.corpus_id).where(Document.untidy_since.is_not(None))
    newest = session.execute(untidy.order_by(Document.untidy_since.desc()).limit(MOST))
    changed = {row.id for row in newest if row.corpus_id in asked}
    deleting = select(Document.id).where(Document.corpus_id.in_(asked), Document.state == DocumentState.DELETING)
    going = set(session.scalars(deleting.limit(MOST)))
    if not changed and not going:
        return UP_TO_DATE
    readable = set(session.scalars(select(Document.id).where(Document.id.in_(changed), rule.documents())))
    return Lagging(tuple(readable), tuple((changed | going) - readable))
