"""When a source is run, and by whom: leases, schedules, runs that were cut off."""

from threading import Event
from typing import Any

import pytest
from sqlalchemy import func, select

from moat.errors import LostClaim
from moat.records import DocumentState
from moat.tables import Indexing, SourceRow
from tests.fakes.followed import TEN, Followed
from tests.fakes.workshop import Killed
from workers.sources import run as run_module
from workers.sources.lease import Lease, fenced, taken
from workers.sources.run import run_source


def test_two_workers_never_run_a_source_at_once(wiki: Followed) -> None:
    wiki.pages(*TEN)
    wiki.ask()
    with taken("wiki", wiki.source, wiki.shop.database, 60) as lease:
        assert lease is not None
        assert not run_source("wiki", wiki.source, wiki.parts("second"))
        wiki.ask()  # while it runs: it must not be lost
    wiki.let_lease_end()
    with taken("wiki", wiki.source, wiki.shop.database, 60) as later:
        assert later is not None
        with wiki.shop.database.transaction() as session, pytest.raises(LostClaim):
            fenced(session, lease)
    assert wiki.row().requested == "sync"


def test_a_run_that_was_cut_off_is_finished_by_another_worker(wiki: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    wiki.state(folder=wiki.folder, access=("staff",))
    for number in range(6):
        (wiki.folder / f"{number}.txt").write_text(f"Room {number} has a window.\n")
    wiki.ask()
    ask_indexing = run_module.apply_plan.__globals__["ask_indexing"]
    calls: list[Any] = []

    def dying(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 3:
            raise Killed
        return ask_indexing(*args)

    monkeypatch.setitem(run_module.apply_plan.__globals__, "ask_indexing", dying)
    with pytest.raises(Killed):
        wiki.again()
    assert wiki.row().state == "running"
    assert len(wiki.keys()) == 2
    assert not run_source("wiki", wiki.source, wiki.parts("second"))
    wiki.let_lease_end()
    assert run_source("wiki", wiki.source, wiki.parts("second"))
    assert (wiki.row().state, len(wiki.keys())) == ("done", 6)
    with wiki.shop.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Indexing)) == 6


def test_a_dry_run_that_was_cut_off_stays_dry_and_a_source_that_kills_is_given_up(wiki: Followed) -> None:
    wiki.state(folder=wiki.folder, access=("staff",))
    wiki.ask(dry_run=True)
    for _ in range(3):
        with taken("wiki", wiki.source, wiki.shop.database, 60) as lease:
            assert lease is not None
            assert lease.is_dry
        wiki.let_lease_end()
    row = wiki.again()
    assert row.state == "failed"
    assert "ended 3 times" in (row.error or "")
    assert wiki.keys() == set()


def test_a_source_with_a_schedule_runs_at_once_and_then_at_its_time(wiki: Followed) -> None:
    wiki.state(folder=wiki.folder, access=("staff",), schedule="every 6h")
    row = wiki.again()
    assert row.state == "done"
    assert row.next_at is not None
    assert row.finished_at is not None
    assert (row.next_at - row.finished_at).total_seconds() == 6 * 3600
    assert not run_source("wiki", wiki.source, wiki.shop.parts)
    with wiki.shop.database.transaction() as session:
        session.get_one(SourceRow, "wiki").next_at = row.finished_at
    assert run_source("wiki", wiki.source, wiki.shop.parts)


def test_a_schedule_that_is_not_cron_s_is_said_and_the_source_runs_when_asked(quick: Followed) -> None:
    quick.state(folder=quick.folder, access=("staff",), schedule="61 * * * *")
    assert not run_source("wiki", quick.source, quick.shop.parts)
    assert quick.row().state == "failed"
    assert "61" in (quick.row().error or "")
    (quick.folder / "a.txt").write_text("Room 1 has a window.\n")
    quick.ask()
    assert quick.again().next_at is None
    assert quick.keys() == {"a.txt"}


def test_the_sweep_runs_what_is_due(quick: Followed) -> None:
    (quick.folder / "a.txt").write_text("Room 1 has a window.\n")
    quick.state(folder=quick.folder, access=("staff",), schedule="every 1d")
    quick.shop.sweep()
    thread = quick.shop.parts.follower._thread
    assert thread is not None
    thread.join(60)
    assert (quick.row().state, quick.keys()) == ("done", {"a.txt"})


def test_a_source_waits_while_uploads_would_be_refused(quick: Followed) -> None:
    upload = quick.shop.settings.upload.model_copy(update={"max_backlog": 2})
    quick.shop.settings = quick.shop.settings.model_copy(update={"upload": upload})
    for number in range(4):
        quick.shop.upload(f"Floor {number} has a lift.", key=f"{number}.txt")
    waited: list[float] = []

    class Pause(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            quick.shop.deliver()
            return False

    run_module._wait_for_room(Lease("wiki", 1, False, "done", Pause()), quick.parts("first"))
    assert len(waited) == 1
    with quick.shop.database.reading() as session:
        states = set(session.scalars(select(Indexing.state)))
    assert states == {DocumentState.READY}
