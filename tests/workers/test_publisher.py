"""What the catalog asks for reaches the broker, at least once, also when the broker was away."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import select

from moat import jobs
from moat.errors import Unavailable
from moat.records import DocumentState
from moat.tables import Outbox
from tests.fakes.workshop import Workshop


def outbox(shop: Workshop) -> list[Outbox]:
    with shop.database.reading() as session:
        return list(session.scalars(select(Outbox)).all())


def test_a_due_task_goes_to_its_queue_and_leaves_the_outbox(shop: Workshop) -> None:
    row = shop.indexing(shop.upload("lantern"))
    assert shop.parts.publisher.publish_due() == 1
    assert outbox(shop) == []
    assert [shop.parts.publisher.waiting(queue) for queue in jobs.QUEUES] == [1, 0, 0, 0]
    assert shop.indexing(row.document_id).published_at is not None
    assert shop.parts.publisher.publish_due() == 0


def test_a_task_is_not_published_before_its_time(shop: Workshop) -> None:
    with shop.database.transaction() as session:
        jobs.enqueue(session, jobs.TIDY_DOCUMENT, uuid4(), queue=jobs.UPKEEP, delay=timedelta(seconds=30))
    assert shop.parts.publisher.publish_due() == 0
    shop.pass_time(31)
    assert shop.parts.publisher.publish_due() == 1


def test_without_a_broker_everything_stays_and_goes_out_when_it_is_back(shop: Workshop) -> None:
    for number in range(3):
        shop.upload(f"lantern {number}", f"{number}.txt")
    nobody = Celery("moat", broker="redis://127.0.0.1:1/0", set_as_current=False)
    nobody.conf.update(broker_transport_options={"socket_connect_timeout": 1}, broker_connection_timeout=1)
    away = jobs.Publisher(shop.database, nobody)
    with pytest.raises(Unavailable):
        away.publish_due()
    with pytest.raises(Unavailable):
        away.waiting(jobs.INGEST)
    assert len(outbox(shop)) == 3
    assert shop.parts.publisher.publish_due() == 3


def test_a_broker_that_goes_away_half_way_keeps_what_was_not_sent(shop: Workshop, monkeypatch) -> None:
    for number in range(3):
        shop.upload(f"lantern {number}", f"{number}.txt")
    send = shop.app.send_task
    sent: list[object] = []

    def send_one(*args: object, **options: object) -> object:
        if sent:
            raise OperationalError("gone")
        sent.append(args)
        return send(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shop.app, "send_task", send_one)
        with pytest.raises(Unavailable):
            shop.parts.publisher.publish_due()
    assert len(outbox(shop)) == 2
    assert shop.parts.publisher.publish_due() == 2
    assert shop.parts.publisher.waiting(jobs.INGEST) == 3


def test_what_a_publisher_took_and_died_with_is_taken_by_the_next_one(shop: Workshop) -> None:
    shop.upload("lantern")
    other = jobs.Publisher(shop.database, shop.app)
    assert len(other._take_turns(jobs.INGEST, 5)) == 1
    assert shop.parts.publisher.publish_due() == 0  # the other may be sending it
    shop.pass_time(31)
    assert shop.parts.publisher.publish_due() == 1


def test_more_than_a_batch_is_published_in_one_go(shop: Workshop) -> None:
    with shop.database.transaction() as session:
        for _ in range(450):
            jobs.enqueue(session, jobs.TIDY_DOCUMENT, uuid4(), queue=jobs.UPKEEP)
    assert shop.parts.publisher.publish_due() == 450
    assert outbox(shop) == []


def queued(shop: Workshop, corpus: UUID, number: int, queue: str = jobs.INGEST) -> None:
    """Put indexings of a corpus into the outbox, as uploads would."""
    with shop.database.transaction() as session:
        session.add_all(
            Outbox(id=uuid4(), task=jobs.INGEST_DOCUMENT, queue=queue, corpus_id=corpus, arguments=[f"{corpus}/{n}"])
            for n in range(number)
        )


def taken_in_turn(shop: Workshop, publisher: jobs.Publisher, number: int) -> list[str]:
    return [row.arguments[0].split("/")[0] for row in publisher._take_turns(jobs.INGEST, number)]


def test_ten_thousand_documents_of_one_corpus_do_not_hold_up_one_of_another(shop: Workshop) -> None:
    large, small = uuid4(), uuid4()
    queued(shop, large, 10_000)
    queued(shop, small, 1)
    first = taken_in_turn(shop, jobs.Publisher(shop.database, shop.app), 4)
    assert first.count(str(small)) == 1
    assert first.index(str(small)) < 2


def test_corpora_take_turns(shop: Workshop) -> None:
    corpora = [uuid4() for _ in range(3)]
    for corpus in corpora:
        queued(shop, corpus, 50)
    first = Counter(taken_in_turn(shop, jobs.Publisher(shop.database, shop.app), 30))
    assert set(first.values()) == {10}


def test_the_broker_holds_a_window_of_each_queue_and_the_catalog_the_rest(shop: Workshop) -> None:
    publisher = jobs.Publisher(shop.database, shop.app, window=8)
    for number in range(20):
        shop.upload(f"lantern {number}", f"{number}.txt")
    assert publisher.publish_due() == 8
    assert publisher.publish_due() == 0
    assert publisher.refill() == 0  # it is full
    assert (publisher.waiting(jobs.INGEST), len(outbox(shop))) == (8, 12)
    assert take_from_broker(shop, 3) == 3
    assert publisher.refill() == 0  # it is not half empty
    assert take_from_broker(shop, 2) == 2
    assert publisher.refill() == 5
    assert publisher.waiting(jobs.INGEST) == 8


def test_every_document_is_done_though_the_window_is_small(shop: Workshop) -> None:
    shop.parts = replace(shop.parts, publisher=jobs.Publisher(shop.database, shop.app, window=2))
    found = [shop.upload(f"lantern {number}", f"{number}.txt") for number in range(9)]
    shop.parts.publisher.publish_due()
    for _ in range(9):  # each one done makes room for the next
        shop._do_waiting(jobs.INGEST)
    assert {shop.document(document).state for document in found} == {DocumentState.READY}


def test_what_a_broker_lost_comes_back_while_more_waits_in_the_catalog(shop: Workshop) -> None:
    shop.parts = replace(shop.parts, publisher=jobs.Publisher(shop.database, shop.app, window=2))
    found = [shop.upload(f"lantern {number}", f"{number}.txt") for number in range(6)]
    shop.parts.publisher.publish_due()
    assert shop.drain_broker() == 2
    shop.settle()
    assert {shop.document(document).state for document in found} == {DocumentState.READY}


def take_from_broker(shop: Workshop, number: int) -> int:
    with shop.app.connection_for_read() as connection:
        taken = [connection.default_channel.basic_get(jobs.INGEST, no_ack=True) for _ in range(number)]
    return sum(message is not None for message in taken)
