"""Stored answers as their reader may see them today, and which documents each is made of."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from answering.withhold import without, without_anything
from moat.access import readable_corpora, rule
from moat.errors import NotFound
from moat.records import DocumentState, Reader
from moat.tables import AnswerDocument, AnswerRow, Document


def find_answer(session: Session, reader: Reader, answer_id: UUID) -> AnswerRow:
    """Find an answer of the reader's own, or raise NotFound as if another's did not exist."""
    row = session.scalar(select(AnswerRow).where(AnswerRow.id == answer_id, AnswerRow.user == reader.user))
    if row is None or row.body is None:
        raise NotFound(f"There is no answer {answer_id} of yours.", "Ids come with each answer.")
    return row


def shown(session: Session, reader: Reader, row: AnswerRow) -> dict[str, Any]:
    """Give an answer's body without what was made of documents that its reader may no longer read."""
    if row.corpora is None or not set(row.corpora) <= {corpus.name for corpus in readable_corpora(session, reader)}:
        return without_anything(row.body or {})  # it names a corpus, or nobody noted which documents it drew on
    gone = session.scalars(
        select(AnswerDocument.document_id).where(
            AnswerDocument.answer_id == row.id, AnswerDocument.document_id.not_in(_readable(reader))
        )
    ).all()
    return without(row.body or {}, gone) if gone else dict(row.body or {})


def note_documents(session: Session, answer_id: UUID, used: Collection[UUID]) -> set[UUID]:
    """Write down what an answer is made of, and give those of it that are gone by now.

    The rest is held until this transaction ends: an erasure that comes meanwhile waits, and then finds the answer.
    """
    statement = select(Document.id).where(Document.id.in_(used), Document.state != DocumentState.DELETING)
    held = set(session.scalars(statement.order_by(Document.id).with_for_update(read=True)))
    session.add_all(AnswerDocument(answer_id=answer_id, document_id=document) for document in sorted(held))
    return set(used) - held


def _readable(reader: Reader) -> Select[UUID]:
    statement = select(Document.id).where(rule(reader).documents())
    return statement if reader.corpora is None else statement.where(Document.corpus_id.in_(reader.corpora))
