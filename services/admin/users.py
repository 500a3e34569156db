"""Routes of what is held about a user."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from answering.body import dollars
from answering.history import shown
from moat import audit
from moat.access import rule
from moat.costs import corpora_as_shown_to
from moat.errors import Forbidden
from moat.history import forget_history
from moat.records import Reader
from moat.tables import AnswerRow, ApiKey, AuditRow, CallRow, Corpus, Document, Erasure, Feedback, Table, utc_now
from services.admin.erasure_schemas import ErasureShape, ExportShape
from services.admin.erasures import erasure_shape
from services.dependencies import PartsOf, Reading

router = APIRouter(prefix="/v1/users", tags=["erasure"])
_KEY = (
    *("id", "name", "prefix", "groups", "scopes", "corpora"),
    *("created_at", "expires_at", "revoked_at", "last_used_at"),
)
_CALL = (
    *("id", "answer_id", "key_id", "corpora", "kind", "provider", "model", "model_returned", "request_id", "attempt"),
    *("status", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "usage", "price_version"),
    *("opened_at", "closed_at"),
)
_ERASURE = ("id", "kind", "document_id", "corpus_id", "reason", "state", "asked_at", "finished_at")


@router.get("/{user}/export")
def export_user(user: str, reader: Reading, parts: PartsOf) -> ExportShape:
    """Give all that is held about a user, to themselves or to an admin."""
    _may(reader, user)
    audit.record(parts.database, reader, "user.exported", user)
    with parts.database.reading() as session:  # it may be long: nobody's writing waits for it
        keys = session.scalars(select(ApiKey).where(ApiKey.user == user).order_by(ApiKey.created_at)).all()
        calls = session.scalars(select(CallRow).where(CallRow.user == user).order_by(CallRow.opened_at)).all()
        erasures = session.scalars(select(Erasure).where(Erasure.asked_by == user).order_by(Erasure.asked_at)).all()
        return ExportShape(
            user=user,
            exported_at=utc_now(),
            keys=_plain(keys, _KEY),
            answers=_answers(session, reader, user),
            feedback=_feedback(session, user),
            calls=_calls(session, reader, calls),
            documents=_documents(session, reader, user),
            erasures=_plain(erasures, _ERASURE),
            audit=_entries(session, user),
        )


@router.delete("/{user}/history", status_code=202)
def delete_history(user: str, reader: Reading, parts: PartsOf) -> ErasureShape:
    """Delete a user's answers and feedback; what they cost stays in the ledger, under a pseudonym."""
    _may(reader, user)
    with parts.database.transaction() as session:
        erasure_id: UUID = forget_history(session, user, reader)
        session.flush()
        return erasure_shape(session, session.get_one(Erasure, erasure_id), reader)


def _may(reader: Reader, user: str) -> None:
    if not reader.is_admin and reader.user != user:
        raise Forbidden("Only an admin may do this for another user.", "Name the user of your own key.")


def _calls(session: Session, reader: Reader, rows: Sequence[CallRow]) -> list[dict[str, Any]]:
    """List calls; as in the costs, a corpus that the reader may not read has no name."""
    named = corpora_as_shown_to(session, reader)
    return [
        item | {"corpora": named(row.corpora), "cost_usd": dollars(row.cost_usd)}
        for item, row in zip(_plain(rows, _CALL), rows, strict=True)
    ]


def _answers(session: Session, reader: Reader, user: str) -> list[dict[str, Any]]:
    rows = session.scalars(select(AnswerRow).where(AnswerRow.user == user).order_by(AnswerRow.created_at))
    return [
        {
            "id": row.id,
            "question": row.question,
            "status": row.status,
            "created_at": row.created_at,
            "body": shown(session, reader, row) if row.body is not None else None,
        }
        for row in rows
    ]


def _feedback(session: Session, user: str) -> list[dict[str, Any]]:
    mine: Select[Feedback] = select(Feedback).join(AnswerRow, AnswerRow.id == Feedback.answer_id)
    rows = session.scalars(mine.where(AnswerRow.user == user).order_by(Feedback.created_at)).all()
    return _plain(rows, ("answer_id", "rating", "comment", "created_at"))


def _documents(session: Session, reader: Reader, user: str) -> list[dict[str, Any]]:
    """List what a user uploaded, as far as the reader may see it."""
    rows = session.execute(
        select(Document, Corpus.name)
        .join(Corpus, Corpus.id == Document.corpus_id)
        .where(Document.uploaded_by == user, rule(reader).documents())
        .order_by(Document.created_at)
    )
    names = ("id", "key", "name", "version", "state", "created_at", "updated_at")
    return [{**_plain([row.Document], names)[0], "corpus": row.name} for row in rows]


def _entries(session: Session, user: str) -> list[dict[str, Any]]:
    """Give the audit log's entries of a user's deeds, and of what was done to their history."""
    rows = session.scalars(
        select(AuditRow).where(or_(AuditRow.user == user, AuditRow.object == user)).order_by(AuditRow.seq)
    )
    return _plain(rows.all(), ("seq", "at", "key_id", "action", "object", "corpus_id", "details"))


def _plain(rows: Sequence[Table], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in names} for row in rows]
