"""Moments in the catalog that a clock wrote which was ahead, or has been set back since."""

import logging
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import InstrumentedAttribute

from moat.database import catalog_now
from moat.records import WORKING_STATES, DocumentState
from moat.tables import Document, Forgetting, Indexing, Outbox
from workers.endings import LONGEST_RETRY_S
from workers.parts import Parts

log = logging.getLogger(__name__)

_SLACK = timedelta(seconds=10)


def mend_moments(parts: Parts) -> None:
    """Bring back what lies further ahead than anything is ever put off: it would be waited for as long as that."""
    lease = timedelta(seconds=parts.settings.worker.lease_s)
    working, queued = Indexing.state.in_(WORKING_STATES), Indexing.state == DocumentState.QUEUED
    with parts.database.transaction() as session:
        now = catalog_now(session)
        # A lease is cut to its length: its holder may be at work and renews it.
        mendings: tuple[tuple[InstrumentedAttribute[Any], Any, ColumnElement[bool] | None], ...] = (
            (Indexing.lease_until, now + lease, working),
            (Indexing.available_at, now, queued),
            (Indexing.published_at, None, queued),
            (Outbox.available_at, now, None),
            (Outbox.taken_until, None, None),
            (Forgetting.not_before, now + lease, None),
            (Document.untidy_since, now, None),
        )
        latest = now + max(lease, timedelta(seconds=LONGEST_RETRY_S)) + _SLACK
        for column, value, among in mendings:
            wanted = column > latest if among is None else among & (column > latest)
            done = session.execute(
                update(column.class_).where(wanted).values({column: value}).execution_options(synchronize_session=False)
            )
            if done.rowcount:  # type: ignore[attr-defined]
                log.warning("sweep: %d times of %s lay in the future", done.rowcount, column)  # type: ignore[attr-defined]
