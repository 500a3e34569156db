"""Which documents of a corpus are older than it keeps them."""

from datetime import timedelta

from sqlalchemy import Select, func, select

from moat.records import DocumentState
from moat.tables import Corpus, Document, Version, utc_now


def too_old(corpus: Corpus, days: int) -> Select[Document]:
    """Select the documents whose newest version came more than `days` ago, oldest first.

    Members go with the archive or mail they came in. What a source brought is left to the source: it would bring it
    again, so the way to be rid of it is to take it out there.
    """
    newest = (
        select(func.max(Version.created_at))
        .where(Version.document_id == Document.id)
        .correlate(Document)
        .scalar_subquery()
    )
    cutoff = utc_now() - timedelta(days=days)
    return (
        select(Document)
        .where(Document.corpus_id == corpus.id, Document.created_at < cutoff, Document.state != DocumentState.DELETING)
        .where(Document.parent_id.is_(None), Document.source.is_(None))
        .where(newest < cutoff)
        .order_by(Document.created_at)
    )
