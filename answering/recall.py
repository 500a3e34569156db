"""An answer read again: as it was given, or withheld where it drew on what its reader may not read any more."""

from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from moat.access import readable_corpora, rule
from moat.errors import NotFound
from moat.records import Reader
from moat.tables import AnswerDocument, AnswerRow, Document

WITHHELD = "This answer drew on documents that are gone, or that you may not read any more."


def find_answer(session: Session, reader: Reader, answer_id: UUID) -> AnswerRow:
    """Find an answer of the reader's own, or raise NotFound as if another's did not exist."""
    row = session.scalar(select(AnswerRow).where(AnswerRow.id == answer_id, AnswerRow.user == reader.user))
    if row is None or row.body is None:
        raise NotFound(f"There is no answer {answer_id} of yours.", "Ids come with each answer.")
    return row


def recall(session: Session, reader: Reader, answer_id: UUID) -> dict[str, Any]:
    """Give the body of one of the reader's own answers, its text withheld where they may not read all it drew on."""
    row = find_answer(session, reader, answer_id)
    body = dict(row.body or {})
    return body if _may_read(session, reader, row) else body | {"answer": "", "citations": [], "note": WITHHELD}


def _may_read(session: Session, reader: Reader, row: AnswerRow) -> bool:
    if row.corpora is None:
        return False
    readable = exists().where(Document.id == AnswerDocument.document_id, rule(reader).documents())
    hidden = select(AnswerDocument.document_id).where(AnswerDocument.answer_id == row.id, ~readable).limit(1)
    if session.scalar(hidden) is not None:
        return False
    return not row.corpora or set(row.corpora) <= {corpus.name for corpus in readable_corpora(session, reader)}
