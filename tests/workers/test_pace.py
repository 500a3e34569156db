"""Cleaning the disk takes a tenth of the time at most, and erasures wait for each other."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from moat.tables import Erasure, utc_now
from tests.fakes.workshop import Workshop, paragraphs
from workers.erasures import finish_erasures
from workers.pace import Pace


def test_rest_follows_work_in_proportion() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert not pace.rests

    def fail() -> None:
        with pace.working():
            now[0] = 2.0
            raise OSError("away")

    with pytest.raises(OSError, match="away"):
        fail()
    for moment, rests in ((2.1, True), (19.9, True), (20.1, False)):
        now[0] = moment
        assert pace.rests is rests


def states(shop: Workshop) -> list[str]:
    with shop.database.reading() as session:
        return list(session.scalars(select(Erasure.state)))


def test_erasures_wait_for_others_and_share_one_cleaning(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    compacted: list[str] = []
    monkeypatch.setattr(shop.vectors, "compact", lambda name, *_: compacted.append(name))
    for name in ("a", "b", "c"):
        document: Any = shop.upload(paragraphs(name), f"{name}.txt")
        shop.deliver()
        shop.delete(document)
    shop.deliver()
    finish_erasures(shop.parts)
    assert (states(shop), compacted) == (["compacting"] * 3, [])
    with shop.database.transaction() as session:
        session.execute(update(Erasure).values(removed_at=utc_now() - timedelta(seconds=16)))
    finish_erasures(shop.parts)
    assert (states(shop), len(compacted)) == (["done"] * 3, 1)
