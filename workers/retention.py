"""What is kept for a time only: documents by their corpus, answers and the audit log by settings."""

from datetime import timedelta

from sqlalchemy import delete, select

from moat import audit
from moat.documents import start_forgetting
from moat.retention import too_old
from moat.tables import AnswerRow, AuditRow, Corpus, Document, utc_now
from workers.parts import Parts

AT_ONCE = 200
# Each pruning is an entry of its own: the log must not grow by being shortened.
PRUNE_EVERY = timedelta(days=1)


def keep_no_longer(parts: Parts) -> None:
    """Erase what is older than it is to be kept; nothing is, unless somebody said so."""
    _erase_documents(parts)
    _delete_answers(parts)
    _prune_audit(parts)


def _erase_documents(parts: Parts) -> None:
    with parts.database.reading() as session:
        limited = session.scalars(
            select(Corpus.id).where(Corpus.retention_days.is_not(None), Corpus.deleted_at.is_(None))
        ).all()
    for corpus_id in limited:
        with parts.database.transaction() as session:
            corpus = session.get(Corpus, corpus_id, with_for_update={"read": True})
            if corpus is None or corpus.retention_days is None:
                continue
            old = too_old(corpus, corpus.retention_days).limit(AT_ONCE).with_for_update(of=Document)
            for document in session.scalars(old).all():
                start_forgetting(session, document, reason="retention")


def _delete_answers(parts: Parts) -> None:
    days = parts.settings.retention.answers_days
    if not days:
        return
    with parts.database.transaction() as session:
        old = session.scalars(
            select(AnswerRow.id)
            .where(AnswerRow.created_at < utc_now() - timedelta(days=days), AnswerRow.status != "open")
            .limit(AT_ONCE)
        ).all()
        if old:
            session.execute(delete(AnswerRow).where(AnswerRow.id.in_(old)))
            audit.note(session, None, "answers.expired", answers=len(old))


def _prune_audit(parts: Parts) -> None:
    days = parts.settings.audit.days
    if not days:
        return
    before = utc_now() - timedelta(days=days)
    with parts.database.transaction() as session:
        oldest = session.scalar(select(AuditRow.at).order_by(AuditRow.seq).limit(1))
        if oldest is not None and oldest < before - PRUNE_EVERY:
            audit.prune(session, before)
