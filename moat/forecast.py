"""What will have been spent when a period ends, from what was spent lately."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moat.costs import total_usd, within
from moat.records import Reader
from moat.tables import CallRow

Period = Literal["day", "week", "month"]
# A whole week, so that weekends weigh what they weigh.
LOOK_BACK_DAYS = 7
_DAY = timedelta(days=1)
_PICO = Decimal(1).scaleb(-12)
_LEAST_OF_A_DAY = Decimal(1) / 24  # the first minutes of a first day say nothing about the rest of it


@dataclass(frozen=True, slots=True)
class Forecast:
    """Dollars of one period [starts_at, ends_at): spent so far, a day on average lately, expected at its end."""

    starts_at: datetime
    ends_at: datetime
    spent_usd: Decimal
    daily_usd: Decimal
    days_seen: int  # whole days that the average is of; 0: none yet, it is this day's pace
    expected_usd: Decimal


def forecast(session: Session, reader: Reader, period: Period, now: datetime) -> Forecast:
    """Add to what was spent before today the average of the last seven whole days (UTC), for today and each day left.

    Today counts with what it has cost already where that is more. With fewer days since the first call, the average is
    of those; on the first day it is that day's pace.
    """
    now = now.astimezone(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts_at, ends_at = _bounds(period, today)
    spent_today = total_usd(session, reader, today, today + _DAY)
    before = total_usd(session, reader, starts_at, today)
    first = session.scalar(select(func.min(CallRow.opened_at)).where(*within(reader)))
    days = 0 if first is None else min(LOOK_BACK_DAYS, (today - first.astimezone(UTC)) // _DAY + (first < today))
    if days > 0:
        daily = total_usd(session, reader, today - days * _DAY, today) / days
    else:
        passed = Decimal((now - today) // timedelta(microseconds=1)) / (_DAY // timedelta(microseconds=1))
        daily = spent_today / max(passed, _LEAST_OF_A_DAY)
    left = (ends_at - today) // _DAY - 1
    expected = before + max(spent_today, daily) + left * daily
    return Forecast(
        starts_at, ends_at, before + spent_today, daily.quantize(_PICO), max(days, 0), expected.quantize(_PICO)
    )


def _bounds(period: Period, today: datetime) -> tuple[datetime, datetime]:
    if period == "day":
        return today, today + _DAY
    if period == "week":
        monday = today - today.weekday() * _DAY
        return monday, monday + 7 * _DAY
    first = today.replace(day=1)
    return first, (first + 31 * _DAY).replace(day=1)
