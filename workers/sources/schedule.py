"""When a source is looked at next."""

from datetime import UTC, datetime, timedelta

from celery.schedules import ParseException, crontab

from moat.errors import InvalidRequest
from moat.source_settings import SourceSettings

_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def first_run(source: SourceSettings, now: datetime) -> datetime | None:
    """Say when a source that was never looked at is due: at once, or at cron's next time; None without a schedule."""
    return now if source.every_s else next_run(source, now)


def next_run(source: SourceSettings, after: datetime) -> datetime | None:
    """Say when a source is due again; cron counts in UTC. Raises InvalidRequest for fields that cron does not have."""
    if source.every_s:
        return after + timedelta(seconds=source.every_s)
    if not source.schedule:
        return None
    try:
        cron = crontab(**dict(zip(_FIELDS, source.schedule.split(), strict=True)))
        last, delta, _ = cron.remaining_delta(after.astimezone(UTC), tz=UTC)
    except (ParseException, ValueError, OverflowError) as error:
        raise InvalidRequest(
            f"The schedule {source.schedule!r} is not cron's: {error}",
            "Write minute, hour, day of the month, month, day of the week.",
        ) from error
    due: datetime = last + delta
    return due
