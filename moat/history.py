"""All that is held about a user, and the removal of what they asked and were answered."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from moat import audit
from moat.records import Reader
from moat.tables import AnswerRow, CallRow, Erasure, Feedback, Idempotency, utc_now


def forget_history(session: Session, user: str, reader: Reader) -> UUID:
    """Delete a user's answers and feedback, and book their calls on a pseudonym; gives the id of the erasure.

    An answer that is being given at this moment stays, and so do keys, uploads and the audit log.
    """
    theirs = select(AnswerRow.id).where(AnswerRow.user == user, AnswerRow.status != "open")
    feedback = session.scalar(select(func.count()).select_from(Feedback).where(Feedback.answer_id.in_(theirs)))
    # Replies hold ids of answers alone.
    ids = [str(answer) for answer in session.scalars(theirs)]
    replies = session.execute(delete(Idempotency).where(Idempotency.response["id"].as_string().in_(ids)))
    open_ones = select(AnswerRow.id).where(AnswerRow.user == user, AnswerRow.status == "open")
    calls = session.execute(
        update(CallRow)
        .where(CallRow.user == user, CallRow.answer_id.is_(None) | CallRow.answer_id.not_in(open_ones))
        .values(user=f"forgotten-{uuid4().hex[:12]}", key_id=None)
    )
    answers = session.execute(delete(AnswerRow).where(AnswerRow.user == user, AnswerRow.status != "open"))
    erasure = Erasure(
        id=uuid4(),
        kind="history",
        reason="request",
        asked_by=reader.user,
        state="compacting",
        removed={
            "answers": _count(answers),
            "feedback": feedback or 0,
            "replies": _count(replies),
            "calls_under_a_pseudonym": _count(calls),
        },
        collections=[],
        checked={},
        removed_at=utc_now(),
    )
    session.add(erasure)
    audit.note(session, reader, "history.deleted", user)
    return erasure.id


def _count(result: Any) -> int:
    return int(result.rowcount)
