"""A corpus follows a source: what is new, changed and gone; who may read; and what waits for an admin."""

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import func, select

from moat.errors import Conflict, LostClaim
from moat.records import DocumentState
from moat.tables import Document, Indexing, SourceRow, Version
from tests.fakes.followed import Followed
from tests.fakes.served import served
from tests.fakes.workshop import Killed, Workshop
from workers.sources import run as run_module
from workers.sources.lease import Lease, fenced, taken
from workers.sources.run import run_source


@pytest.fixture
def wiki(shop: Workshop, tmp_path: Path) -> Followed:
    folder = tmp_path / "source"
    folder.mkdir()
    return Followed(shop, folder)


def page(number: int, said: str = "has a window", **metadata: Any) -> list[Any]:
    return [f"room-{number}", f"Room {number} {said}.", metadata]


TEN = [page(number) for number in range(10)]


def versions(wiki: Followed) -> int:
    with wiki.shop.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Version)) or 0


def test_a_reader_s_documents_are_added_replaced_and_deleted(wiki: Followed) -> None:
    row = wiki.pages(*TEN)
    assert (row.state, row.error, row.counts["added"]) == ("done", None, 10)
    wiki.shop.deliver()
    documents = wiki.documents()
    assert {document.state for document in documents.values()} == {DocumentState.READY}
    assert {document.source for document in documents.values()} == {"wiki"}
    first = documents["wiki/room-1"].id
    row = wiki.pages(page(0), page(1, "has a door"), *TEN[3:], page(11))
    assert {name: row.counts[name] for name in ("added", "replaced", "deleted", "same")} == {
        "added": 1,
        "replaced": 1,
        "deleted": 1,
        "same": 8,
    }
    wiki.shop.deliver()
    documents = wiki.documents()
    assert "wiki/room-2" not in documents
    assert (documents["wiki/room-1"].id, documents["wiki/room-1"].serving_version) == (first, 2)
    before = versions(wiki)
    assert wiki.pages(page(0), page(1, "has a door"), *TEN[3:], page(11)).counts["same"] == 10
    assert versions(wiki) == before


def test_a_reader_that_raises_half_way_deletes_nothing_and_its_half_is_taken(wiki: Followed) -> None:
    wiki.pages(*TEN)
    row = wiki.pages(page(20), page(0, "has a door"), {"do": "fail"}, page(21))
    assert (row.state, row.counts["added"], row.counts["replaced"]) == ("partial", 1, 1)
    assert "the wiki went away" in (row.error or "")
    assert wiki.keys() == {f"room-{number}" for number in (*range(10), 20)}


@pytest.mark.parametrize(
    ("act", "options", "said"),
    [
        ("die", {}, "SIGKILL"),
        ("hang", {"wall_s": 2.0}, "longer than 2 seconds"),
        ("spin", {"cpu_s": 1}, "CPU seconds"),
        ("eat", {"memory_bytes": 400_000_000}, "memory_bytes"),
    ],
)
def test_a_reader_that_dies_or_breaks_a_limit_leaves_a_partial_listing(
    tmp_path: Path, act: str, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "source").mkdir()
    wiki = Followed(Workshop(tmp_path), tmp_path / "source")
    row = wiki.pages(page(0), {"do": act}, **options)
    assert row.state == "partial"
    assert said in (row.error or "")
    assert wiki.keys() == {"room-0"}
    assert not (tmp_path / "run" / "sources" / "wiki").exists()


@pytest.fixture
def quick(tmp_path: Path) -> Followed:
    """A source over SQLite alone, where the kind of catalog makes no difference."""
    (tmp_path / "source").mkdir()
    return Followed(Workshop(tmp_path), tmp_path / "source")


def test_a_class_outside_the_allowlist_is_never_imported(quick: Followed) -> None:
    row = quick.pages(page(0), reader="os.system", arguments={})
    assert (row.state, quick.keys()) == ("failed", set())
    assert "not in the allowlist" in (row.error or "")
    assert "[readers] allow" in (row.hint or "")


def test_a_reader_reaches_the_hosts_that_its_source_names_and_no_other(quick: Followed) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody asks anything")

    with served(app) as here, served(app) as there:
        port, other = (int(url.rpartition(":")[2]) for url in (here, there))
        assert quick.pages({"do": "connect", "port": port}, page(0)).state == "partial"
        row = quick.pages({"do": "connect", "port": port}, page(0), network=(f"127.0.0.1:{port}",))
        assert (row.state, row.error) == ("done", None)
        row = quick.pages({"do": "connect", "port": other}, page(0), network=(f"127.0.0.1:{port}",))
        assert "is not allowed" in (row.error or "")
        assert quick.pages({"do": "connect", "port": other}, page(0), network=("*",)).state == "done"


def test_a_reader_writes_nowhere_and_sees_no_secret_of_the_worker(
    quick: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAT_PROVIDERS__X__API_KEY", "sk-secret")
    assert quick.pages({"do": "must_lack", "name": "MOAT_PROVIDERS__X__API_KEY"}, page(0)).state == "done"
    target = quick.folder / "written"
    assert "is not allowed" in (quick.pages({"do": "write", "path": str(target)}).error or "")
    assert not target.exists()


def test_a_real_reader_of_llama_index_is_followed(quick: Followed) -> None:
    reader = "llama_index.core.readers.json.JSONReader"
    (quick.folder / "staff.json").write_text(json.dumps({"name": "Ada", "room": "Room 7 has a window"}))
    quick.state(
        reader=reader,
        load={"input_file": str(quick.folder / "staff.json"), "extra_info": {"page": "staff"}},
        id_from="page",
        access=("staff",),
    )
    settings = quick.shop.parts.settings
    readers = settings.readers.model_copy(update={"allow": (reader,)})
    object.__setattr__(quick.shop.parts, "settings", settings.model_copy(update={"readers": readers}))
    quick.ask()
    assert quick.again().error is None
    assert quick.keys() == {"staff"}


def test_ids_that_come_twice_leave_the_listing_partial(quick: Followed) -> None:
    row = quick.pages(page(0), page(0, "has a door"))
    assert row.state == "partial"
    assert "room-0" in (row.error or "")


def test_a_source_that_states_no_readers_is_not_indexed(quick: Followed) -> None:
    row = quick.pages(*TEN, access=())
    assert (row.state, quick.keys()) == ("failed", set())
    assert "who may read" in (row.error or "")


def test_a_source_s_groups_become_moat_s_and_what_nobody_may_read_is_not_indexed(wiki: Followed) -> None:
    mapped = {
        "access": (),
        "access_from": "groups",
        "groups": {"hr-space": ("hr", "leads"), "it-space": ("it",)},
    }
    pages = [
        page(0, groups=["hr-space", "unknown"]),
        page(1, groups="it-space"),
        page(2, groups=["unknown"]),
        page(3),
        *(page(number, groups="it-space") for number in range(4, 9)),
    ]
    row = wiki.pages(*pages, **mapped)
    assert (row.counts["added"], row.counts["unread"]) == (7, 2)
    assert wiki.keys() == {f"room-{number}" for number in (0, 1, 4, 5, 6, 7, 8)}
    assert (wiki.readers("room-0"), wiki.readers("room-1")) == ({"hr", "leads"}, {"it"})
    wiki.shop.deliver()
    before = versions(wiki)
    pages[0] = page(0, groups=["it-space"])
    row = wiki.pages(*pages, **mapped)
    assert (row.counts["changed"], versions(wiki)) == (1, before)
    assert wiki.readers("room-0") == {"it"}


def test_losing_every_reader_hides_a_document_at_once_even_while_its_deletion_waits(wiki: Followed) -> None:
    mapped = {"access": (), "access_from": "groups", "groups": {"it-space": ("it",)}}
    wiki.pages(page(0, groups="it-space"), page(1, groups="it-space"), **mapped)
    wiki.shop.deliver()
    row = wiki.pages(page(0), page(1, groups="it-space"), **mapped)
    assert (row.state, row.counts["held"]) == ("held", 1)
    assert wiki.keys() == {"room-0", "room-1"}
    assert wiki.readers("room-0") == set()
    row = wiki.pages({"do": "fail"}, **mapped)
    assert row.state == "partial"


def test_deleting_over_a_fifth_waits_for_an_admin_who_agrees_to_those_alone(wiki: Followed) -> None:
    wiki.pages(*TEN)
    row = wiki.pages(*TEN[3:], page(10))
    assert (row.state, len(row.held), row.counts["added"], row.counts["deleted"]) == ("held", 3, 1, 0)
    assert "--yes" in (row.hint or "")
    assert len(wiki.keys()) == 11
    assert wiki.approve() == 3
    wiki.script.write_text(json.dumps([page(10), {"do": "fail"}]))
    assert (wiki.again().state, len(wiki.keys())) == ("partial", 11)
    wiki.ask()
    # One of them is back, and another went that nobody was asked about: a tenth goes by itself.
    wiki.script.write_text(json.dumps([page(0), *TEN[4:], page(10)]))
    row = wiki.again()
    assert (row.state, row.counts["deleted"], row.held, row.approved) == ("done", 3, [], [])
    assert wiki.keys() == {f"room-{number}" for number in (0, *range(4, 11))}
    with pytest.raises(Conflict):
        wiki.approve()


def test_what_was_approved_does_not_cover_what_goes_later(wiki: Followed) -> None:
    wiki.pages(*TEN)
    wiki.pages(*TEN[3:])
    wiki.approve()
    wiki.script.write_text("[]")
    row = wiki.again()
    assert (row.state, row.counts["deleted"], len(row.held)) == ("held", 3, 7)
    assert wiki.keys() == {f"room-{number}" for number in range(3, 10)}


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(wiki: Followed) -> None:
    wiki.pages(*TEN)
    wiki.script.write_text(json.dumps([page(0, "has a door"), *TEN[2:], page(10)]))
    wiki.ask(dry_run=True)
    with pytest.raises(Conflict):
        wiki.ask()
    row = wiki.again()
    assert row.state == "done"
    plan = row.plan or {}
    assert (plan["add"], plan["replace"], plan["delete"]) == (["wiki/room-10"], ["wiki/room-0"], ["wiki/room-1"])
    assert wiki.keys() == {f"room-{number}" for number in range(10)}


def test_a_folder_that_is_away_or_empty_deletes_nothing(quick: Followed) -> None:
    rooms = quick.folder / "rooms"
    rooms.mkdir()
    for number in range(5):
        (rooms / f"{number}.txt").write_text(f"Room {number} has a window.\n")
    assert quick.run(folder=rooms, access=("staff",)).counts["added"] == 5
    rooms.rename(quick.folder / "away")
    assert quick.run(folder=rooms, access=("staff",)).state == "failed"
    rooms.mkdir()
    assert quick.run(folder=rooms, access=("staff",)).state == "held"
    assert quick.keys() == {f"{number}.txt" for number in range(5)}


def test_links_out_of_a_followed_folder_are_not_followed(quick: Followed) -> None:
    secret = quick.folder / "secret.txt"
    secret.write_text("The vault opens with 1234.\n")
    rooms = quick.folder / "rooms"
    rooms.mkdir()
    (rooms / "a.txt").write_text("Room 1 has a window.\n")
    (rooms / "link.txt").symlink_to(secret)
    (rooms / "inside.txt").symlink_to(rooms / "a.txt")
    row = quick.run(folder=rooms, access=("staff",))
    assert (row.state, quick.keys()) == ("done", {"a.txt", "inside.txt"})
    assert "leads out of the folder" in row.problems[0]


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(quick: Followed) -> None:
    rooms = quick.folder / "rooms"
    rooms.mkdir()
    (rooms / "a.txt").write_text("Room 1 has a window.\n")
    (rooms / "tool.exe").write_bytes(b"MZ\x90\x00" + bytes(100))
    row = quick.run(folder=rooms, access=("staff",))
    assert (row.state, row.counts["refused"], quick.keys()) == ("done", 1, {"a.txt"})
    assert "tool.exe" in row.problems[0]


def test_pages_of_the_web_are_followed_through_the_guarded_fetcher(quick: Followed) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<html><body><p>Room 1 has a window.</p></body></html>"})

    with served(app) as base:
        row = quick.run(urls=(f"{base}/one",), access=("staff",))
        assert (row.state, quick.keys()) == ("partial", set())  # this machine is not the open internet
        fetch = quick.shop.settings.fetch.model_copy(update={"allow_hosts": (base.removeprefix("http://"),)})
        quick.shop.settings = quick.shop.settings.model_copy(update={"fetch": fetch})
        row = quick.run(urls=(f"{base}/one",), access=("staff",))
        assert (row.state, quick.keys()) == ("done", {f"{base}/one"})


def test_documents_that_people_uploaded_are_never_a_source_s_to_delete(quick: Followed) -> None:
    quick.shop.upload("Room 99 has a window.", key="wiki/room-99")
    quick.shop.upload("Room 1 has a balcony.", key="wiki/room-1")
    quick.pages(*TEN)
    quick.pages(*TEN[1:])
    with quick.shop.database.reading() as session:
        mine = select(Document.key).where(Document.source.is_(None), Document.state != DocumentState.DELETING)
        assert set(session.scalars(mine)) == {"wiki/room-99", "wiki/room-1"}


def test_a_source_that_moves_to_another_corpus_leaves_nothing_behind_once_an_admin_agrees(quick: Followed) -> None:
    from moat.corpora import create_corpus
    from moat.settings import PipelineSettings

    quick.pages(*TEN)
    with quick.shop.database.transaction() as session:
        create_corpus(session, "other", (), PipelineSettings(embedder="words", chunk_tokens=32))
    assert quick.pages(*TEN, corpus="other").state == "held"
    quick.approve()
    assert quick.again().counts["deleted"] == 10
    assert {document.corpus_id for document in quick.documents().values()} != {quick.shop.corpus.id}
    assert len(quick.documents()) == 10
    assert quick.pages(*TEN, corpus="nowhere").state == "failed"


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


@pytest.mark.parametrize("steps", [[["", "No id.", {}]], [["a\nb", "Lines.", {}]]])
def test_ids_become_printable_keys_or_are_refused(quick: Followed, steps: Sequence[Any]) -> None:
    quick.pages(*steps)
    assert all(key.isprintable() and key for key in quick.documents())
