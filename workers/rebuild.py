"""Fill lost vectors again from the catalog and the blobs."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import aliased

from moat.database import Database
from moat.documents import LIVE_GENERATIONS, mark_untidy
from moat.records import DocumentState
from moat.tables import ChunkRow, Generation, Indexing
from workers.claims import requeue


def requeue_everything(database: Database) -> int:
    """Queue what every live generation has indexed again, each document at its newest ready version; tell how many."""
    newer = aliased(Indexing)
    replaced = select(newer.id).where(
        newer.document_id == Indexing.document_id,
        newer.generation_id == Indexing.generation_id,
        newer.version > Indexing.version,
        newer.state == DocumentState.READY,
    )
    with database.transaction() as session:
        live = select(Generation.id).where(Generation.state.in_(LIVE_GENERATIONS))
        newest = session.scalars(
            select(Indexing)
            .where(Indexing.generation_id.in_(live), Indexing.state == DocumentState.READY)
            .where(~replaced.exists())
        ).all()
        session.execute(delete(ChunkRow).where(ChunkRow.generation_id.in_(live)))
        session.execute(update(Generation).where(Generation.id.in_(live)).values(dimension=None))
        for row in newest:
            requeue(session, row)
            mark_untidy(session, row.document_id)
    return len(newest)
