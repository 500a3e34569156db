"""What a document leaves in stored answers: its quotes go, and the sentences that were made of them."""

from uuid import UUID

from sqlalchemy import delete, select

from answering.withhold import without
from moat.tables import AnswerDocument, AnswerRow, Erasure
from workers.parts import Parts

_AT_ONCE = 100


def tombstone_answers(document_id: UUID, erasure_id: UUID | None, parts: Parts) -> None:
    """Take a deleted document out of every stored answer, a few in each commit, counting them in its report."""
    while True:
        with parts.database.transaction() as session:
            # A report's count and the answers it counts are changed together: a crash loses or doubles none.
            report = None if erasure_id is None else session.get(Erasure, erasure_id, with_for_update=True)
            rows = session.scalars(
                select(AnswerRow)
                .join(AnswerDocument, AnswerDocument.answer_id == AnswerRow.id)
                .where(AnswerDocument.document_id == document_id)
                .limit(_AT_ONCE)
                .with_for_update(of=AnswerRow)
            ).all()
            if not rows:
                return
            for row in rows:
                if row.body is not None:
                    row.body = without(row.body, {document_id})
            session.execute(
                delete(AnswerDocument).where(
                    AnswerDocument.document_id == document_id, AnswerDocument.answer_id.in_([row.id for row in rows])
                )
            )
            if report is not None:
                report.removed = {**report.removed, "answers": report.removed.get("answers", 0) + len(rows)}
