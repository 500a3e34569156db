"""Whatever happens in whatever order, the vectors end up holding what the catalog says."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from moat.documents import text_of
from moat.records import TERMINAL_STATES, DocumentState
from moat.tables import Document, Forgetting, Indexing, Job, Outbox
from tests.fakes.workshop import Killed, Workshop, paragraphs, transient

SEEDS = [0, 1, 2, 3, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 40))]
STEPS = 40


class Storm:
    """Does one random thing after another, some of them in the middle of a document's work."""

    def __init__(self, shop: Workshop, seed: int) -> None:
        self.shop = shop
        self.random = random.Random(seed)
        self.calm = False
        shop.embedders.before = self.strike
        shop.sandbox.before = self.strike

    def step(self) -> None:
        often = [self.upload, self.upload, self.upload, self.deliver, self.deliver]
        seldom = [self.delete, self.reindex, self.lose_messages, self.wait, self.sweep, self.restart_worker]
        self.random.choice(often + seldom)()

    def strike(self, _: object) -> None:
        """What may befall a worker at work."""
        if self.calm or self.random.random() > 0.3:
            return
        self.calm = True  # what happens meanwhile is not struck itself
        try:
            self.random.choice([self.upload, self.delete, self.wait, self.sweep, self.deliver, self.die, self.fail])()
        finally:
            self.calm = False

    def upload(self) -> None:
        words = self.random.choice(["lantern", "candle", "lamp"])
        self.shop.upload(paragraphs(words, self.random.randint(1, 5)), f"{self.random.randint(0, 5)}.txt")

    def delete(self) -> None:
        with self.shop.database.reading() as session:
            there = session.scalars(
                select(Document.id).where(Document.state != DocumentState.DELETING).order_by(Document.created_at)
            ).all()
        if there:
            self.shop.delete(self.random.choice(there))

    def reindex(self) -> None:
        with self.shop.database.reading() as session:
            running = session.scalar(select(Job).where(Job.state == "running"))
        if running is None:
            self.shop.reindex(self.random.choice(["words", "small"]))

    def deliver(self) -> None:
        with suppress(Killed):
            self.shop.deliver()

    def lose_messages(self) -> None:
        self.shop.drain_broker()

    def wait(self) -> None:
        self.shop.pass_time(self.random.choice([5, 20, 70, 1500]))

    def sweep(self) -> None:
        self.shop.sweep()

    def restart_worker(self) -> None:
        self.shop.parts.claims.recover_own()

    def die(self) -> None:
        raise Killed

    def fail(self) -> None:
        raise transient()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_every_order_of_events_ends_with_the_points_that_the_catalog_names(tmp_path: Path, seed: int) -> None:
    shop = Workshop(tmp_path, max_attempts=1000, max_failures=1000)
    storm = Storm(shop, seed)
    for _ in range(STEPS):
        storm.step()
    storm.calm = True
    shop.settle()
    shop.settle()
    with shop.database.reading() as session:
        states = {d.key: d.state for d in session.scalars(select(Document))}
        assert set(states.values()) <= TERMINAL_STATES, states
        assert session.scalars(select(Outbox)).all() == []
        assert session.scalars(select(Forgetting)).all() == []
        assert {j.state for j in session.scalars(select(Job))} <= {"done"}
        served = select(Indexing).join(
            Document, (Document.id == Indexing.document_id) & (Document.serving_version == Indexing.version)
        )
        kept = {text_of(indexing) for indexing in session.scalars(served) if indexing.state == DocumentState.READY}
    assert shop.points() == shop.rows()
    assert len(shop.vectors.collections()) <= 1
    texts = {name for name in shop.stored() if name.startswith("texts/")}
    assert texts == kept
    shop.close()
