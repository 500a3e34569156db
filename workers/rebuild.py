"""Fill lost vectors again from the catalog and the blobs."""

from sqlalchemy import delete, select, update

from moat.database import Database
from moat.documents import LIVE_GENERATIONS, mark_untidy
from moat.records import DocumentState
from moat.tables import ChunkRow, Document, Generation, Indexing
from workers.claims import requeue


def requeue_everything(database: Database) -> int:
    """Queue every indexed document of every live generation again; returns how many."""
    with database.transaction() as session:
        live = select(Generation.id).where(Generation.state.in_(LIVE_GENERATIONS))
        newest = session.scalars(
            select(Indexing)
            .join(Document, Document.id == Indexing.document_id)
            .where(Indexing.generation_id.in_(live), Indexing.state == DocumentState.READY)
        ).all()
        session.execute(delete(ChunkRow).where(ChunkRow.generation_id.in_(live)))
        session.execute(update(Generation).where(Generation.id.in_(live)).values(dimension=None))
        for row in newest:
            requeue(session, row)
            mark_untidy(session, row.document_id)
    return len(newest)
