"""What the catalog asks for reaches the broker, at least once, also when the broker was away."""

from datetime import timedelta
from uuid import uuid4

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import select

from moat import jobs
from moat.errors import Unavailable
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
