"""When a source is due again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from moat.errors import InvalidRequest
from moat.source_settings import SourceSettings
from workers.sources.schedule import first_run, next_run

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(schedule: str) -> SourceSettings:
    return SourceSettings(folder=Path("/srv"), schedule=schedule)


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("every 30s", NOON + timedelta(seconds=30)),
        ("every 6h", NOON + timedelta(hours=6)),
        ("every 2 d", NOON + timedelta(days=2)),
        ("*/15 * * * *", NOON + timedelta(minutes=15)),
        ("30 3 * * *", datetime(2026, 11, 24, 3, 30, tzinfo=UTC)),
        ("0 9 * * mon", datetime(2026, 11, 30, 9, 0, tzinfo=UTC)),
        ("0 0 1 * *", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_the_next_run_is_reckoned_in_utc(schedule: str, due: datetime) -> None:
    assert next_run(at(schedule), NOON) == due


def test_a_new_source_runs_at_once_or_at_cron_s_time_or_never() -> None:
    assert first_run(at("every 6h"), NOON) == NOON
    assert first_run(at("0 13 * * *"), NOON) == NOON + timedelta(hours=1)
    assert first_run(at(""), NOON) is None


def test_fields_that_cron_does_not_have_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="cron"):
        next_run(at("99 * * * *"), NOON)


@pytest.mark.parametrize("schedule", ["hourly", "every day", "* * * *", "every 6 weeks"])
def test_what_is_no_schedule_is_refused_at_start(schedule: str) -> None:
    with pytest.raises(ValidationError, match="schedule"):
        at(schedule)
