"""Budgets tell once when a half, four fifths and all of them is spent: in the log, by webhook, and in their list."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moat.database import Database, catalog_now
from moat.errors import FetchRefused, MoatError
from moat.tables import Budget, BudgetAlert, BudgetPeriod

log = logging.getLogger(__name__)

PERCENTS = (50, 80, 100)
_AT_ONCE = 50
_FIRST_WAIT_S, _LONGEST_WAIT_S, _MOST_TRIES = 10, 3600, 30


class Poster(Protocol):
    """Sends JSON to an address that it has checked; raises FetchRefused or FetchFailed."""

    def post(self, url: str, body: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Told:
    """An alert as it is told."""

    period_id: UUID
    percent: int
    tries: int
    logged: bool
    body: dict[str, Any]


def raise_reached(session: Session, period: BudgetPeriod, limit_usd: Decimal) -> None:
    """Raise every alert that the spending has reached, and take back those of a smaller limit that it has not."""
    reached = [percent for percent in PERCENTS if _is_reached(percent, period.settled_usd, limit_usd)]
    session.execute(delete(BudgetAlert).where(BudgetAlert.period_id == period.id, BudgetAlert.percent.not_in(reached)))
    for percent in reached:
        _raise(session, period.id, percent, period.settled_usd, limit_usd)


def raise_crossed(
    session: Session, period_id: UUID, limit_usd: Decimal, before_usd: Decimal, spent_usd: Decimal
) -> None:
    """Raise the alerts that the last settled call has brought."""
    for percent in PERCENTS:
        if _is_reached(percent, spent_usd, limit_usd) and not _is_reached(percent, before_usd, limit_usd):
            _raise(session, period_id, percent, spent_usd, limit_usd)


def raise_used_up(session: Session, period_id: UUID, limit_usd: Decimal, spent_usd: Decimal) -> None:
    """Raise the last alert: a hard budget is never spent to the cent, it has begun to refuse."""
    _raise(session, period_id, 100, spent_usd, limit_usd)


def tell(database: Database, webhook: str, poster: Poster) -> None:
    """Log what was raised and send it to the webhook, if there is one, until it was taken."""
    for alert in _untold(database):
        if not alert.logged:
            log.warning("budget alert: %s", alert.body["text"], extra={"alert": alert.body["id"]})
        problem: MoatError | None = None
        if webhook:
            try:
                poster.post(webhook, alert.body)
            except MoatError as error:
                problem = error
                log.warning("a budget's alert could not be sent: %s", error.detail)
        _note(database, alert, problem)


def _is_reached(percent: int, spent_usd: Decimal, limit_usd: Decimal) -> bool:
    return spent_usd > 0 and spent_usd * 100 >= limit_usd * percent


def _raise(session: Session, period_id: UUID, percent: int, spent_usd: Decimal, limit_usd: Decimal) -> None:
    if session.get(BudgetAlert, (period_id, percent)) is None:
        session.add(BudgetAlert(period_id=period_id, percent=percent, spent_usd=spent_usd, limit_usd=limit_usd))


def _untold(database: Database) -> list[_Told]:
    with database.reading() as session:
        found = session.execute(
            select(BudgetAlert, BudgetPeriod, Budget)
            .join(BudgetPeriod, BudgetPeriod.id == BudgetAlert.period_id)
            .join(Budget, Budget.id == BudgetPeriod.budget_id)
            .where(BudgetAlert.told_at.is_(None), BudgetAlert.next_try_at <= catalog_now(session))
            .order_by(BudgetAlert.raised_at, BudgetAlert.percent)
            .limit(_AT_ONCE)
        ).all()
        return [_told(*row) for row in found]


def _told(alert: BudgetAlert, period: BudgetPeriod, budget: Budget) -> _Told:
    whose = f"{budget.scope} {budget.subject}".strip()
    spent, limit = (format(amount.normalize(), "f") for amount in (alert.spent_usd, alert.limit_usd))
    what = "is used up" if alert.percent == 100 else f"has reached {alert.percent} %"
    body = {
        "id": f"{period.id}/{alert.percent}",  # the same when it is sent again
        "text": f"The budget of the {whose} for the {budget.period} {what}: ${spent} of ${limit} is spent.",
        "budget_id": str(budget.id),
        "scope": budget.scope,
        "subject": budget.subject,
        "period": budget.period,
        "starts_at": period.starts_at.isoformat(),
        "percent": alert.percent,
        "hard": budget.hard,
        "spent_usd": spent,
        "limit_usd": limit,
        "raised_at": alert.raised_at.isoformat(),
    }
    return _Told(period.id, alert.percent, alert.tries, alert.logged_at is not None, body)


def _note(database: Database, alert: _Told, problem: MoatError | None) -> None:
    """Write down that it was told, or when to try again; an address that may not be called is not tried again."""
    with database.transaction() as session:
        row = session.get(BudgetAlert, (alert.period_id, alert.percent))
        if row is None:
            return
        now: datetime = catalog_now(session)
        row.tries, row.logged_at = alert.tries + 1, row.logged_at or now
        wait_s = min(_FIRST_WAIT_S * 2**alert.tries, _LONGEST_WAIT_S)
        row.next_try_at = now + timedelta(seconds=wait_s)
        if problem is None or isinstance(problem, FetchRefused) or row.tries >= _MOST_TRIES:
            row.told_at = now
