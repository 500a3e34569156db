"""The sweeper's clock: it asks by the seconds that pass, once at a time, and outlives the broker's absence."""

from threading import Event

import pytest

from moat import jobs
from tests.fakes.workshop import Workshop, away
from workers.beat import beat


class Ticks(Event):
    """An event that lets so many waits pass without any time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._number = number

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return len(self.waits) > self._number


def test_one_sweep_waits_however_long_nobody_comes_to_it(shop: Workshop) -> None:
    ticks = Ticks(5)
    beat(shop.app, 7.0, ticks)
    assert ticks.waits == [7.0] * 6
    assert jobs.waiting(shop.app, jobs.UPKEEP) == 1


def test_the_next_is_asked_for_when_the_last_was_taken(shop: Workshop) -> None:
    for _ in range(3):
        beat(shop.app, 1.0, Ticks(1))
        shop.deliver()
        assert jobs.waiting(shop.app, jobs.UPKEEP) == 0


def test_a_broker_that_is_away_is_asked_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.app, "send_task", lambda *_, **__: away())
        beat(shop.app, 1.0, Ticks(3))
    beat(shop.app, 1.0, Ticks(1))
    assert jobs.waiting(shop.app, jobs.UPKEEP) == 1
