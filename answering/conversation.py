"""Which questions were asked before in the same conversation: the reader's own, and none of what they were answered.

An answer was made of documents, and who may read those or which provider they may reach can be another matter today;
a follow-up finds what it needs of them anew. An earlier question counts if it was asked of these corpora, or of some
of them, and is told to a model that all of those allow.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from answering.accounts import asked_corpora, for_answer
from answering.pack import Source
from answering.query import Parts, Query
from moat.errors import NoConversation
from moat.records import Reader
from moat.tables import AnswerRow

# So many turns are looked through for those that count.
_LOOK_BACK = 20
# More of an earlier question would push the question itself out of what an embedder reads.
LONGEST_CHARS = 200


def in_conversation(query: Query, reader: Reader, parts: Parts) -> Query:
    """Give the query with the questions asked before it; raises NoConversation for one of another's or none."""
    most = parts.settings.answering.earlier_questions
    if query.conversation_id is not None:
        asked = _asked_before(query, query.conversation_id, reader, parts)
    elif query.earlier:  # the caller says so: of what they were asked is not known
        now = asked_corpora(query, reader, parts)
        asked = [(text, now) for text in query.earlier]
    else:
        return query
    last = last_different(query.question, asked, most)
    earlier = tuple(" ".join(text.split())[:LONGEST_CHARS] for text in last)
    corpora = {corpus for those in last.values() for corpus in those}
    return replace(query, earlier=earlier, earlier_corpora=tuple(sorted(corpora)))


def last_different(question: str, asked: Sequence[tuple[str, Sequence[str]]], most: int) -> dict[str, set[str]]:
    """Give the last different questions of those asked before, oldest first, with all corpora each was asked of."""
    latest: dict[str, set[str]] = {}
    for text, corpora in reversed(asked):
        if text.strip() and text != question:
            latest.setdefault(text, set()).update(corpora)
    return dict(reversed([*latest.items()][:most]))


def as_told(query: Query, model: str, reader: Reader, sources: Sequence[Source], parts: Parts) -> Query:
    """Give the query as this model may read it: without the earlier questions where their corpora do not allow it.

    They have told by then what to look for. The model reads text of the corpora that something was found in, which
    may be others.
    """
    if query.earlier and not parts.gateway.may(model, for_answer(query, reader, sources)):
        return replace(query, earlier=(), earlier_corpora=())
    return query


def _asked_before(query: Query, conversation_id: UUID, reader: Reader, parts: Parts) -> list[tuple[str, Sequence[str]]]:
    statement = (
        select(AnswerRow.question, AnswerRow.asked)
        .where(AnswerRow.conversation_id == conversation_id, AnswerRow.user == reader.user)
        .order_by(AnswerRow.created_at.desc())
        .limit(_LOOK_BACK)
    )
    with parts.database.reading() as session:
        rows = session.execute(statement).all()
    if not rows:
        raise NoConversation(f"There is no conversation {conversation_id} of yours.")
    now = set(asked_corpora(query, reader, parts))
    return [(row.question, row.asked) for row in reversed(rows) if row.asked is not None and set(row.asked) <= now]
