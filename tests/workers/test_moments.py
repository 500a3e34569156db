"""Clocks that are off: nothing is waited for longer than it was put off, and no lease is taken from its holder."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

import moat.tables.base
from moat.records import DocumentState
from moat.tables import Forgetting, Indexing, Outbox
from tests.fakes.workshop import Workshop, paragraphs

HOUR_S = 3600


def clock_off_by(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process read a clock that is off."""

    class Off(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(seconds=seconds)

    monkeypatch.setattr(moat.tables.base, "datetime", Off)


@pytest.mark.parametrize("hours", [-1, 1])
def test_what_was_queued_and_deleted_before_the_clock_was_set_goes_on(
    shop: Workshop, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = shop.upload(paragraphs("lantern"), "a.txt"), shop.upload(paragraphs("candle"), "b.txt")
    shop.ingest(gone)
    shop.delete(gone)
    clock_off_by(hours * HOUR_S, monkeypatch)
    later = shop.upload(paragraphs("lamp"), "c.txt")
    for _ in range(3):
        shop.sweep()
        shop.deliver()
        shop.pass_time(70)  # a lease, and no more
    assert {shop.indexing(document).state for document in (kept, later)} == {DocumentState.READY}
    with shop.database.reading() as session:
        assert session.scalars(select(Outbox)).all() == []
        assert session.scalars(select(Forgetting)).all() == []
    assert shop.points() == shop.rows()


def test_a_lease_from_a_clock_that_was_ahead_ends_after_its_length(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    with shop.database.transaction() as session:
        ahead = datetime.now(UTC) + timedelta(hours=1)
        session.execute(update(Indexing).values(state=DocumentState.PARSING, lease_until=ahead, claimed_by="dead"))
    shop.sweep()
    left_s = (shop.indexing(document).lease_until or ahead) - datetime.now(UTC)
    assert timedelta(seconds=50) < left_s <= timedelta(seconds=60)
    shop.pass_time(61)
    shop.settle()
    assert shop.indexing(document).state == DocumentState.READY


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_with_another_time_takes_no_lease_from_its_holder(
    shop: Workshop, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shop.database.engine.dialect.name == "sqlite":
        pytest.skip("all processes of SQLite read the clock of one machine")
    document = shop.upload(paragraphs("lantern"))
    other, strikes = shop.worker("other"), []

    def strike(_: object) -> None:
        clock_off_by(hours * HOUR_S, monkeypatch)
        shop.sweep()
        shop.deliver()
        with other.claims.taken(shop.indexing(document).id) as claim:
            strikes.append(claim)

    shop.sandbox.before = strike
    assert shop.ingest(document).state == DocumentState.READY
    assert strikes == [None]
    assert shop.indexing(document).fence == 1
