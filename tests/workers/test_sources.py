"""A corpus follows a source: what is new, changed and gone; who may read; and what waits for an admin."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from moat.errors import Conflict
from moat.records import DocumentState
from moat.tables import Document, Version
from tests.fakes.followed import TEN, Followed, page
from tests.fakes.served import served


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
    from moat.pipeline_settings import PipelineSettings

    quick.pages(*TEN)
    with quick.shop.database.transaction() as session:
        create_corpus(session, "other", (), PipelineSettings(embedder="words", chunk_tokens=32))
    assert quick.pages(*TEN, corpus="other").state == "held"
    quick.approve()
    assert quick.again().counts["deleted"] == 10
    assert {document.corpus_id for document in quick.documents().values()} != {quick.shop.corpus.id}
    assert len(quick.documents()) == 10
    assert quick.pages(*TEN, corpus="nowhere").state == "failed"
