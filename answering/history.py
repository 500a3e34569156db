"""Stored answers as their reader may see them today, and which documents each is made of."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from answering.withhold import without
from moat.access import rule
from moat.records import DocumentState, Reader
from moat.tables import AnswerDocument, AnswerRow, Document


def shown(session: Session, reader: Reader, row: AnswerRow) -> dict[str, Any]:
    """Give an answer's body without what was made of documents that its reader may no longer read."""
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
