"""A clock that is off by what a test says."""

from datetime import datetime, timedelta, tzinfo

import moat.tables
from tests.fakes.faults import Faults


def other_clock(faults: Faults) -> None:
    """Let this process read the time from a clock that is off by the seconds that "clock" states."""

    class Off(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=faults.number("clock") or 0)

    moat.tables.datetime = Off  # type: ignore[misc]
