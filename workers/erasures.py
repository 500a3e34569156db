"""The end of erasures: the disk is cleaned once for all that wait, and each report says what was found then."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from moat import audit
from moat.erasures import rows_of
from moat.tables import Erasure, utc_now
from workers.parts import Parts

log = logging.getLogger(__name__)

AT_ONCE = 5_000
# A report that found something left is looked at again, but not at every sweep: each time costs a rewrite.
AGAIN_AFTER = timedelta(minutes=10)


def finish_erasures(parts: Parts) -> None:
    """Compact the index and the catalog for the erasures that wait, look once more, and conclude their reports."""
    if parts.cleaning.rests and parts.settings.erasure.wait_s:
        return
    waiting = _waiting(parts)
    if not waiting:
        return
    with parts.cleaning.working():
        cleaned = _clean(waiting, parts)
    for erasure in waiting:
        _conclude(erasure.id, cleaned, parts)


def _clean(waiting: Sequence[Erasure], parts: Parts) -> dict[str, bool]:
    collections = {name for erasure in waiting for name in erasure.collections}
    for name in sorted(collections.intersection(parts.vectors.collections())):
        parts.vectors.compact(name)
    return parts.database.compact(parts.settings.erasure.vacuum_up_to_bytes)


def _waiting(parts: Parts) -> Sequence[Erasure]:
    """Take all that wait, once the first of them has waited long enough for others to join it."""
    now = utc_now()
    with parts.database.reading() as session:
        waiting = session.scalars(
            select(Erasure)
            .where(
                (Erasure.state == "compacting")
                | ((Erasure.state == "incomplete") & (Erasure.finished_at < now - AGAIN_AFTER))
            )
            .order_by(Erasure.removed_at)
            .limit(AT_ONCE)
        ).all()
    first = waiting[0].removed_at if waiting else None
    due = first is not None and first <= now - timedelta(seconds=parts.settings.erasure.wait_s)
    return waiting if due else ()


def _conclude(erasure_id: UUID, cleaned: dict[str, bool], parts: Parts) -> None:
    with parts.database.reading() as session:
        erasure = session.get_one(Erasure, erasure_id)
        checked = {**erasure.checked, **cleaned, **_looked_again(erasure, parts)}
        if erasure.document_id is not None:
            checked["rows_left"] = sum(rows_of(session, erasure.document_id).values())
    left = sum(count for name, count in checked.items() if name.endswith("_left"))
    if left or not cleaned.get("catalog_log_cut", True):
        log.error("an erasure left something behind", extra={"erasure": erasure_id, "checked": checked})
    with parts.database.transaction() as session:
        row = session.get_one(Erasure, erasure_id, with_for_update=True)
        if row.state == "done":
            return  # another worker's sweep was here
        row.checked, row.finished_at = checked, utc_now()
        row.state = "incomplete" if left or not cleaned.get("catalog_log_cut", True) else "done"
        audit.note(session, None, f"erasure.{row.state}", row.id, corpus_id=row.corpus_id)


def _looked_again(erasure: Erasure, parts: Parts) -> dict[str, Any]:
    if erasure.document_id is None:
        return {}
    present = set(parts.vectors.collections()).intersection(erasure.collections)
    return {"points_left": sum(parts.vectors.count_document(name, erasure.document_id) for name in present)}
