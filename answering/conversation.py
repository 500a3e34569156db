"""Which questions were asked before in the same conversation: the reader's own, and none of what they were answered.

An answer was made of documents, and who may read those or which provider they may reach can be another matter today;
a follow-up finds what it needs of them anew. An earlier question goes only where this one does: it counts if it was
asked of these corpora, or of some of them.
"""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from answering.accounts import asked_corpora
from answering.context import within_reach
from answering.query import Parts, Query
from moat.errors import NotFound
from moat.records import Reader
from moat.tables import AnswerRow

# So many turns are looked through for those that count.
_LOOK_BACK = 20


def in_conversation(query: Query, reader: Reader, parts: Parts) -> Query:
    """Give the query with the questions asked before it; raises NotFound for a conversation of another's or none."""
    most = parts.settings.answering.earlier_questions
    earlier = query.earlier
    if query.conversation_id is not None:
        earlier = _asked_before(query, query.conversation_id, reader, parts)
    return replace(query, earlier=within_reach(query.question, earlier, most))


def _asked_before(query: Query, conversation_id: UUID, reader: Reader, parts: Parts) -> tuple[str, ...]:
    statement = (
        select(AnswerRow.question, AnswerRow.asked)
        .where(AnswerRow.conversation_id == conversation_id, AnswerRow.user == reader.user)
        .order_by(AnswerRow.created_at.desc())
        .limit(_LOOK_BACK)
    )
    with parts.database.reading() as session:
        rows = session.execute(statement).all()
    if not rows:
        raise NotFound(
            f"There is no conversation {conversation_id} of yours.",
            "Leave conversation_id out to begin one; each answer says which it belongs to.",
        )
    now = set(asked_corpora(query, reader, parts))
    return tuple(row.question for row in reversed(rows) if row.asked is not None and set(row.asked) <= now)
