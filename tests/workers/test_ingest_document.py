"""Every way an indexing can end is in the catalog, and the vectors hold what the catalog says."""

from contextlib import suppress
from uuid import UUID

from sqlalchemy import select

from moat.documents import ask_indexing, retry, text_of
from moat.errors import ParserCrashed, ParsingFailed
from moat.records import DocumentState
from moat.tables import Document, DocumentAccess, Generation, Version, utc_now
from moat.vectors import point_id
from tests.fakes.workshop import Killed, Workshop, paragraphs, raising, transient
from workers.ingest_document import SHORT, ingest_once


def waiting_s(shop: Workshop, document: UUID) -> float:
    return (shop.indexing(document).available_at - utc_now()).total_seconds()


def access_of(shop: Workshop, document: UUID) -> set[str]:
    with shop.database.reading() as session:
        return set(
            session.scalars(select(DocumentAccess.principal).where(DocumentAccess.document_id == document)).all()
        )


def test_an_uploaded_document_becomes_ready_with_the_points_that_the_catalog_names(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    found, row = shop.document(document), shop.indexing(document)
    assert (found.state, found.serving_version) == (DocumentState.READY, 1)
    assert row.chunks == len(shop.rows()) > 3
    assert row.lease_until is None
    assert shop.points() == {point_id(shop.serving().id, document, 1, n) for n in range(row.chunks)} == shop.rows()


def test_doing_an_indexing_again_changes_nothing(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    before = shop.ingest(document)
    points = shop.points()
    again = shop.ingest(document)
    assert (again.fence, again.finished_at, again.chunks) == (before.fence, before.finished_at, before.chunks)
    assert shop.points() == points
    assert shop.sandbox.parsed == ["a.txt"]


def test_a_document_that_cannot_be_read_fails_with_the_reason_and_a_hint(shop: Workshop) -> None:
    shop.sandbox.before = raising(ParsingFailed("It is encrypted.", "Save it without a password."))
    document = shop.upload("lantern")
    shop.deliver()
    row = shop.indexing(document)
    assert shop.document(document).state == row.state == DocumentState.FAILED
    assert (row.error, row.hint) == ("It is encrypted.", "Save it without a password.")
    assert shop.points() == set()


def test_a_transient_error_is_tried_again_later_and_later_and_never_given_up(shop: Workshop) -> None:
    shop.embedders.before = raising(transient())
    document = shop.upload("lantern")
    waits = []
    for _ in range(6):
        assert shop.ingest(document).state == DocumentState.QUEUED
        waits.append(waiting_s(shop, document))
        assert shop.ingest(document).fence == shop.indexing(document).fence  # not before its time
        shop.pass_time(100)
    base = shop.settings.worker.retry_base_s
    assert all(base * 2**n * 0.4 < wait <= base * 2**n for n, wait in enumerate(waits[:5])), waits
    assert waits[5] <= 60
    shop.embedders.before = lambda texts: None
    shop.deliver()
    row = shop.indexing(document)
    assert (row.state, row.transients, row.error) == (DocumentState.READY, 0, None)


def test_a_parser_that_crashes_is_given_another_try_and_then_the_document_is_quarantined(shop: Workshop) -> None:
    shop.sandbox.before = raising(ParserCrashed("It was ended by SIGSEGV.", "Save it in another format."))
    document = shop.upload("lantern")
    assert shop.ingest(document).failures == 1
    shop.pass_time(100)
    row = shop.ingest(document)
    assert row.state == DocumentState.QUARANTINED
    assert shop.document(document).state == DocumentState.QUARANTINED
    assert row.hint == "Save it in another format."
    with shop.database.transaction() as session:
        retry(session, session.get_one(Document, document))
    shop.sandbox.before = lambda name: None
    shop.deliver()
    assert shop.document(document).state == DocumentState.READY
    assert shop.points() == shop.rows() != set()


def test_an_unforeseen_error_stops_neither_the_worker_nor_the_other_documents(shop: Workshop) -> None:
    shop.sandbox.before = lambda name: {}["missing"] if name == "bad.txt" else None
    bad, good = shop.upload("lantern", "bad.txt"), shop.upload("lamp", "good.txt")
    shop.settle()
    assert shop.document(bad).state == DocumentState.QUARANTINED
    assert "KeyError" in (shop.indexing(bad).error or "")
    assert shop.document(good).state == DocumentState.READY


def test_a_new_version_replaces_the_old_one_only_when_it_is_ready(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    old = shop.points()
    assert shop.upload(paragraphs("candle", 3)) == document
    assert shop.document(document).serving_version == 1
    assert shop.points() == old
    shop.deliver()
    assert shop.document(document).serving_version == 2
    assert (
        shop.points()
        == shop.rows()
        == {point_id(shop.serving().id, document, 2, n) for n in range(shop.indexing(document, 2).chunks)}
    )
    assert {n for n in shop.stored() if n.startswith("texts/")} == {text_of(shop.indexing(document, 2))}


def test_a_new_version_that_fails_leaves_the_old_one_serving(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    old = shop.points()
    shop.sandbox.before = raising(ParsingFailed("It is encrypted.", "Save it without a password."))
    shop.upload("candle")
    shop.deliver()
    found = shop.document(document)
    assert (found.state, found.version, found.serving_version) == (DocumentState.FAILED, 2, 1)
    assert shop.points() == shop.rows() == old


def test_a_new_version_given_up_half_way_leaves_none_of_its_points(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    old = shop.points()
    shop.upload(paragraphs("candle", 200))
    batches = []

    def fail_in_the_second_batch(texts: object) -> None:
        batches.append(1)
        if len(batches) > 1:
            raise ParsingFailed("Not embeddable.", "Remove it.")

    shop.embedders.before = fail_in_the_second_batch
    shop.ingest(document, 2)
    assert shop.points() > old
    shop.deliver()
    assert shop.points() == shop.rows() == old


def test_an_older_version_that_ends_after_the_newer_one_leaves_nothing(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))

    def overtake(texts: object) -> None:
        shop.embedders.before = lambda texts: None
        shop.upload(paragraphs("candle", 3))
        shop.ingest(document, 2)
        shop.deliver()

    shop.embedders.before = overtake
    shop.ingest(document, 1)
    shop.deliver()
    assert shop.document(document).serving_version == 2
    assert (
        shop.points()
        == shop.rows()
        == {point_id(shop.serving().id, document, 2, n) for n in range(shop.indexing(document, 2).chunks)}
    )


def test_the_readers_of_a_new_version_are_let_in_when_it_serves_and_others_kept_out_at_once(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"), access=("finance", "legal"))
    shop.deliver()
    shop.upload(paragraphs("candle"), access=("legal", "board"))
    assert access_of(shop, document) == {"legal"}
    shop.deliver()
    assert access_of(shop, document) == {"legal", "board"}
    assert payload_access(shop) == {("board", "legal")}


def test_access_changed_while_a_document_is_embedded_reaches_its_points(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"), access=("finance",))

    def change(texts: object) -> None:
        with shop.database.transaction() as session:
            session.add(DocumentAccess(document_id=document, principal="legal"))
            session.get_one(Version, (document, 1)).access = ["finance", "legal"]

    shop.embedders.before = change
    shop.ingest(document)
    assert payload_access(shop) == {("finance",)}
    shop.deliver()
    assert payload_access(shop) == {("finance", "legal")}


def test_a_writer_whose_document_was_deleted_leaves_no_trace(shop: Workshop) -> None:
    for stage in ("parsing", "embedding"):
        document = shop.upload(paragraphs(f"lantern {stage}"), key=stage)

        def delete(_: object, gone: UUID = document) -> None:
            shop.embedders.before = shop.sandbox.before = lambda _: None
            shop.delete(gone)
            shop.deliver()  # forgotten before the writer goes on
            shop.pass_time(100)
            shop.sweep()

        if stage == "parsing":
            shop.sandbox.before = delete
        else:
            shop.embedders.before = delete
        indexing = shop.indexing(document)
        ingest_once(indexing.id, shop.parts)
        shop.settle()
        assert shop.points() == shop.rows() == set()
        assert shop.stored() == set(), stage


def test_a_stale_writer_does_not_remove_the_points_of_the_one_who_won(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    winner = shop.worker("second")

    def lose(texts: object) -> None:
        shop.embedders.before = lambda texts: None
        shop.pass_time(61)
        shop.sweep()
        shop.ingest(document, parts=winner)

    shop.embedders.before = lose
    shop.ingest(document)
    shop.settle()
    assert shop.document(document).state == DocumentState.READY
    assert shop.points() == shop.rows() != set()


def test_a_killed_attempt_at_a_long_document_is_finished_by_the_next_without_parsing_again(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern", 2 * SHORT))
    shop.embedders.before = raising(Killed())
    with suppress(Killed):
        shop.ingest(document)
    shop.embedders.before = lambda texts: None
    shop.pass_time(61)
    shop.settle()
    assert shop.document(document).state == DocumentState.READY
    assert shop.points() == shop.rows()
    assert shop.sandbox.parsed == ["a.txt"]


def test_retrying_what_failed_only_in_the_next_generation_keeps_the_document_ready(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    job = shop.job(shop.reindex())
    with shop.database.transaction() as session:
        generation = session.get_one(Generation, job.generation_id)
        ask_indexing(session, session.get_one(Document, document), 1, generation).state = DocumentState.FAILED
        session.flush()
        retry(session, session.get_one(Document, document))
    assert shop.document(document).state == DocumentState.READY


def payload_access(shop: Workshop) -> set[tuple[str, ...]]:
    records, _ = shop.vectors._client.scroll(shop.serving().collection, limit=1000)
    return {tuple(sorted((record.payload or {})["access"])) for record in records}
