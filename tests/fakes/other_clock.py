"""A clock that is off by what a test says."""

import time
from datetime import datetime, timedelta, tzinfo

import kombu.transport.redis

import moat.tables.base
from tests.fakes.faults import Faults


def other_clock(faults: Faults, fact: str) -> None:
    """Let this process, and its end of the broker, read a clock that is off by the seconds which that fact states."""

    class Off(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=faults.number(fact) or 0)

    moat.tables.base.datetime = Off  # type: ignore[misc]
    kombu.transport.redis.time = lambda: time.time() + (faults.number(fact) or 0)
