"""The disk is full from the n-th write on, for every n: what was refused left nothing, the rest is done later."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from moat.errors import StorageFull
from tests.fakes.closing_check import Expected, Stored, closing_check
from tests.fakes.full_disk import FullDisk
from tests.fakes.workshop import Workshop, paragraphs

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
STRIDE = 17


class Disk:
    """Blobs and catalog on one disk that has room for so many writes."""

    def __init__(self, room: int | None, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = room
        self.writes = 0
        FullDisk(self._next).install(monkeypatch.setattr)
        event.listen(shop.database.engine, "before_cursor_execute", self._before_statement)

    @property
    def was_full(self) -> bool:
        return self.room is not None and self.writes > self.room

    def _next(self) -> int | None:
        self.writes += 1
        return 1 if self.was_full else None

    def _before_statement(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")) and self._next():
            raise OperationalError(statement, {}, sqlite3.OperationalError("database or disk is full"))


@contextmanager
def shop_on(folder: Path) -> Iterator[Workshop]:
    folder.mkdir()
    shop = Workshop(folder)
    try:
        yield shop
    finally:
        shop.close()


def full_after(room: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Upload, index and replace on a disk with room for so many writes, then free it; False when it was enough."""
    with shop_on(folder) as shop, monkeypatch.context() as patch:
        disk = Disk(room, shop, patch)
        expected = Expected()
        for edition in ("lantern", "candle"):
            with suppress(StorageFull):  # the API answers 507
                expected.accepted.add(shop.upload(paragraphs(edition, 2)))
            with suppress(StorageFull):  # as a task that ends so: its lease runs out
                shop.deliver()
        was_full, disk.room = disk.was_full, None
        for _ in range(2):
            shop.settle()
        stored = Stored(shop.database, shop.vectors, shop.parts.publisher.waiting, folder / "blobs")
        closing_check(stored, expected)
        return was_full


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, STRIDE))])
def test_a_disk_that_is_full_from_any_write_on_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    room = first
    while full_after(room, tmp_path / str(room), monkeypatch):
        room += STRIDE
    assert room > 30
