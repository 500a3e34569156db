"""The sweeper finds what was lost, and one duty that fails does not hold up the others."""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from moat.documents import text_of
from moat.errors import Unavailable
from moat.records import WORKING_STATES, DocumentState
from moat.tables import (
    AnswerRow,
    Corpus,
    Document,
    Generation,
    Idempotency,
    Indexing,
    Job,
    Outbox,
    WidgetSession,
    utc_now,
)
from tests.fakes.workshop import Killed, Workshop, paragraphs, raising, transient
from workers.rebuild import requeue_everything


def texts(shop: Workshop) -> set[str]:
    return {name for name in shop.stored() if name.startswith("texts/")}


def test_what_the_broker_forgot_is_sent_again(shop: Workshop) -> None:
    documents = [shop.upload(paragraphs(f"lantern {n}"), f"{n}.txt") for n in range(4)]
    assert shop.parts.publisher.publish_due() == 4
    assert shop.drain_broker() == 4
    shop.sweep()
    assert shop.deliver() == 0  # it may still be on its way: not at once
    shop.pass_time(16)
    shop.sweep()
    shop.deliver()
    assert {shop.document(d).state for d in documents} == {DocumentState.READY}
    assert shop.points() == shop.rows()


def test_an_answer_whose_process_died_is_said_to_have_failed(shop: Workshop) -> None:
    answering = shop.parts.settings.answering
    longest = timedelta(seconds=answering.deadline_s + answering.drain_s + 20)
    with shop.parts.database.transaction() as session:
        for question, age in (("dead", longest), ("alive", timedelta(0))):
            session.add(AnswerRow(user="ann", question=question, status="open", created_at=utc_now() - age))
    shop.sweep()
    with shop.parts.database.reading() as session:
        states = dict(session.execute(select(AnswerRow.question, AnswerRow.status)).tuples().all())
    assert states == {"dead": "failed", "alive": "open"}


def test_nothing_is_sent_twice_while_the_broker_still_holds_it(shop: Workshop) -> None:
    shop.upload("lantern")
    shop.parts.publisher.publish_due()
    for _ in range(3):
        shop.pass_time(100)
        shop.sweep()
    assert shop.parts.publisher.waiting("ingest") == 1


def test_one_document_that_waits_for_its_next_try_does_not_hold_up_the_forgotten_ones(tmp_path) -> None:
    shop = Workshop(tmp_path, retry_base_s=100)
    waiting, forgotten = shop.upload("lantern", "waiting.txt"), shop.upload("lamp", "forgotten.txt")
    shop.parts.publisher.publish_due()
    shop.drain_broker()
    shop.pass_time(16)
    shop.embedders.before = raising(transient())
    assert shop.ingest(waiting).available_at > utc_now()
    shop.embedders.before = lambda texts: None
    shop.sweep()
    shop.deliver()
    assert shop.document(forgotten).state == DocumentState.READY
    assert shop.document(waiting).state == DocumentState.QUEUED
    shop.close()


def test_a_claim_whose_worker_died_is_queued_again_when_its_lease_is_over(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.embedders.before = raising(Killed())
    with suppress(Killed):
        shop.ingest(document)
    shop.embedders.before = lambda texts: None
    shop.sweep()
    assert shop.indexing(document).state in WORKING_STATES  # the lease holds
    shop.pass_time(61)
    shop.sweep()
    assert shop.document(document).state == DocumentState.QUEUED
    shop.deliver()
    assert shop.document(document).state == DocumentState.READY


def test_a_lost_tidying_is_done_by_the_sweep(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    shop.upload(paragraphs("candle"))
    shop.ingest(document, 2)
    with shop.database.transaction() as session:
        for row in session.scalars(select(Outbox)):
            session.delete(row)
    assert shop.points() > shop.rows()
    shop.pass_time(16)
    shop.sweep()
    assert shop.points() == shop.rows()
    assert shop.document(document).untidy_since is None


def test_a_deleted_corpus_goes_with_everything_in_it(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    collection = shop.serving().collection
    delete_corpus(shop)
    shop.settle()
    with shop.database.reading() as session:
        assert [session.scalars(select(t)).all() for t in (Corpus, Document, Generation, Indexing)] == [[]] * 4
    assert collection not in shop.vectors.collections()
    assert shop.stored() == set()


def test_a_deleted_corpus_keeps_its_rows_while_the_vector_store_is_away(shop: Workshop, monkeypatch) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    collection = shop.serving().collection
    delete_corpus(shop)
    with monkeypatch.context() as patch:
        patch.setattr(shop.vectors, "drop", raising(Unavailable("away")))
        shop.settle()
    assert collection in shop.vectors.collections()
    shop.settle()  # were the rows gone, nothing would know of the collection
    assert collection not in shop.vectors.collections()
    with shop.database.reading() as session:
        assert session.scalars(select(Corpus)).all() == []


def test_texts_of_a_dropped_generation_go_also_when_the_worker_dies_in_between(shop: Workshop, monkeypatch) -> None:
    document = shop.upload(f"{paragraphs('lantern')} and a \ufb01le")
    shop.deliver()
    old = text_of(shop.indexing(document))
    shop.reindex(cleaning={"unicode_forms": False})  # which makes another text of it
    shop.deliver()
    assert {old, text_of(shop.indexing(document))} == texts(shop)
    shop.pass_time(2000)
    with monkeypatch.context() as patch:
        patch.setattr(shop.blobs, "delete", raising(Killed()))
        with pytest.raises(Killed):
            shop.sweep()
    assert old in texts(shop)
    shop.sweep()
    assert texts(shop) == {text_of(shop.indexing(document))} != {old}
    assert len(shop.vectors.collections()) == 1


def test_a_running_reindex_is_advanced_when_its_message_was_lost(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    job = shop.reindex()
    shop.parts.publisher.publish_due()
    shop.drain_broker()
    shop.settle()
    with shop.database.reading() as session:
        assert session.get_one(Job, job).state == "done"


def test_a_failing_duty_does_not_hold_up_the_next_one(shop: Workshop, monkeypatch) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    shop.delete(document)
    monkeypatch.setattr(shop.parts.publisher.__class__, "waiting", raising_waiting)
    shop.sweep()
    assert shop.points() == set()


def raising_waiting(*_: object) -> int:
    raise Unavailable("The broker does not answer.")


def test_old_replies_and_sessions_are_purged_and_young_ones_kept(shop: Workshop) -> None:
    now = utc_now()
    with shop.database.transaction() as session:
        for hours in (1, 25):
            reply = {"key_id": "k", "route": "r", "key": str(hours), "body_sha256": "", "status": 200, "response": {}}
            session.add(Idempotency(**reply, created_at=now.replace(year=now.year - (hours > 24))))
        session.execute(
            WidgetSession.__table__.metadata.tables["widgets"]
            .insert()
            .values(id="w", name="w", origins=[], corpora=None, groups=[], created_at=now)
        )
        for year in (now.year - 1, now.year + 1):
            session.add(
                WidgetSession(
                    sha256=uuid4().bytes, widget_id="w", user="u", origin="o", expires_at=now.replace(year=year, day=1)
                )
            )
    shop.sweep()
    with shop.database.reading() as session:
        assert [row.key for row in session.scalars(select(Idempotency))] == ["1"]
        assert [row.expires_at.year for row in session.scalars(select(WidgetSession))] == [now.year + 1]


def test_lost_vectors_are_built_again_from_catalog_and_blobs(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    failed = shop.upload(paragraphs("broken"), "broken.txt")
    shop.deliver()
    shop.upload(paragraphs("candle"))
    shop.deliver()
    shop.reindex()
    shop.deliver()
    shop.delete(failed)
    shop.deliver()
    before = shop.points()
    for collection in shop.vectors.collections():
        shop.vectors.drop(collection)
    parsed = len(shop.sandbox.parsed)
    assert requeue_everything(shop.database) == 2  # one document in two generations, at its newest version
    assert shop.rows() == set()
    shop.settle()
    assert shop.points() == shop.rows() == before
    assert shop.document(document).state == DocumentState.READY
    assert len(shop.vectors.collections()) == 2
    assert len(shop.sandbox.parsed) == parsed


def delete_corpus(shop: Workshop) -> None:
    with shop.database.transaction() as session:
        documents = session.scalars(select(Document.id)).all()
    for document in documents:
        shop.delete(document)
    with shop.database.transaction() as session:
        session.execute(update(Generation).values(state="abandoned"))
        session.execute(update(Corpus).values(deleted_at=utc_now()))
