"""What will have been spent at a period's end, worked out by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from moat.database import Database
from moat.forecast import Forecast, Period, forecast
from moat.records import Reader
from moat.tables import CallRow
from tests.fakes.spending import ADMIN, ANN, opened, settled

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


def spent_on(database: Database, day: int, cost: str, reader: Reader = ANN, hour: int = 9) -> None:
    call_id = opened(database, reader)
    settled(database, call_id, cost)
    with database.transaction() as session:
        session.get_one(CallRow, call_id).opened_at = datetime(2026, 11, day, hour, tzinfo=UTC)


def expect(database: Database, period: Period, reader: Reader = ADMIN, now: datetime = NOON) -> Forecast:
    with database.reading() as session:
        return forecast(session, reader, period, now)


def test_seven_days_average_counts_for_today_and_each_day_left(database: Database) -> None:
    for day in range(4, 18):  # two weeks; the first of them is too long ago
        spent_on(database, day, "9" if day < 11 else "0.70")
    found = expect(database, "month")
    # 1–17 November: 7 × $9 and 7 × $0.70; then today and twelve days of $0.70.
    assert (found.spent_usd, found.daily_usd, found.days_seen) == (Decimal("67.90"), Decimal("0.70"), 7)
    assert found.expected_usd == Decimal("67.90") + 13 * Decimal("0.70") == Decimal("77.00")
    assert (found.starts_at.day, found.ends_at.month, found.ends_at.day) == (1, 12, 1)


def test_today_counts_with_what_it_has_cost_where_that_is_more(database: Database) -> None:
    spent_on(database, 17, "1")
    spent_on(database, 18, "3")
    found = expect(database, "week")
    # One whole day seen: $1 a day. Tuesday $1, today $3, and four days left until Monday.
    assert (found.days_seen, found.spent_usd, found.expected_usd) == (1, Decimal(4), Decimal(8))
    assert expect(database, "day").expected_usd == Decimal(3)


def test_first_day_goes_by_its_own_pace(database: Database) -> None:
    spent_on(database, 18, "2")
    found = expect(database, "week")
    # $2 by noon is $4 a day; today and four days left.
    assert (found.days_seen, found.daily_usd, found.expected_usd) == (0, Decimal(4), Decimal(20))
    early = expect(database, "day", now=NOON.replace(hour=0, minute=1))
    assert early.daily_usd == Decimal(48), "the first minutes count as an hour"


def test_days_without_calls_count_and_an_average_has_twelve_decimals(database: Database) -> None:
    spent_on(database, 15, "1")
    found = expect(database, "day")
    assert (found.days_seen, found.daily_usd) == (3, Decimal("0.333333333333"))


def test_nothing_spent_is_nothing_expected_and_each_sees_their_own(database: Database) -> None:
    assert expect(database, "month").expected_usd == 0
    spent_on(database, 17, "1", ANN)
    spent_on(database, 17, "5", Reader(key_id=None, user="bob"))
    assert expect(database, "day", ANN).expected_usd == Decimal(1)
    assert expect(database, "day").expected_usd == Decimal(6)
