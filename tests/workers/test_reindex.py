"""A new generation takes over when it is complete, and never before; until then the old one answers."""

from uuid import UUID

from sqlalchemy import delete, select, update

from moat.documents import text_of
from moat.errors import ParsingFailed
from moat.records import DocumentState
from moat.tables import ChunkRow, Document, DocumentAccess, Generation, Indexing, Job
from tests.fakes.workshop import Workshop, paragraphs, raising
from workers.ingest_document import ingest_once
from workers.reindex import _queue_missing, advance_reindex, alias


def generation_of(shop: Workshop, job: UUID) -> Generation:
    with shop.database.reading() as session:
        return session.get_one(Generation, shop.job(job).generation_id)


def cancel(shop: Workshop, job: UUID) -> None:
    with shop.database.transaction() as session:
        row = session.get_one(Job, job)
        row.state = "cancelled"
        session.get_one(Generation, row.generation_id).state = "abandoned"


def test_the_new_generation_takes_over_when_every_document_is_in_it(shop: Workshop) -> None:
    documents = [shop.upload(paragraphs(f"lantern {n}"), f"{n}.txt") for n in range(5)]
    shop.deliver()
    before = shop.serving()
    job = shop.reindex()
    shop.deliver()
    assert shop.job(job).state == "done"
    after = shop.serving()
    assert (after.id, after.dimension) == (shop.job(job).generation_id, 32)
    assert shop.points(after) == shop.rows(after) != set()
    assert shop.points(before) == shop.rows(before) != set()  # kept for rollback
    assert shop.vectors.aliases() == {alias(shop.corpus): after.collection}
    assert {shop.document(d).state for d in documents} == {DocumentState.READY}
    assert len(shop.sandbox.parsed) == 5  # nothing was parsed twice


def test_nothing_takes_over_while_a_document_is_missing(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"), "a.txt")
    shop.deliver()
    before = shop.serving()
    job = shop.reindex()
    advance_reindex(job, shop.parts)
    late = shop.upload(paragraphs("late"), "late.txt")
    shop.ingest(late)
    advance_reindex(job, shop.parts)
    assert shop.serving().id == before.id
    shop.deliver()
    assert shop.job(job).state == "done"
    assert shop.points() == shop.rows()
    assert shop.indexing(late).state == DocumentState.READY


def test_uploads_replacements_and_deletions_during_a_reindex_are_right_in_both(shop: Workshop) -> None:
    kept, replaced, deleted = (shop.upload(paragraphs(f"lantern {n}"), f"{n}.txt") for n in range(3))
    shop.deliver()
    before = shop.serving()
    job = shop.reindex()

    def meanwhile(texts: object) -> None:
        shop.embedders.before = lambda texts: None
        shop.upload(paragraphs("added"), "added.txt")
        assert shop.upload(paragraphs("candle", 3), "1.txt") == replaced
        shop.delete(deleted)

    shop.embedders.before = meanwhile
    shop.settle()
    after = generation_of(shop, job)
    assert shop.job(job).state == "done"
    assert shop.serving().id == after.id
    for generation in (before, after):
        assert shop.points(generation) == shop.rows(generation)
        with shop.database.reading() as session:
            found = session.scalars(select(ChunkRow).where(ChunkRow.generation_id == generation.id)).all()
        assert {(chunk.document_id, chunk.version) for chunk in found} >= {(kept, 1), (replaced, 2)}
        assert len({chunk.document_id for chunk in found}) == 3
    assert shop.document(replaced).serving_version == 2


def test_a_document_that_answers_today_and_cannot_be_indexed_blocks_the_takeover(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"), "a.txt")
    shop.upload(paragraphs("candle"), "b.txt")
    shop.deliver()
    before = shop.serving()
    job = shop.reindex()
    shop.embedders.before = lambda texts: raising(ParsingFailed("No.", "Look."))(0) if "candle" in texts[0] else None
    shop.settle()
    assert (shop.job(job).state, shop.serving().id) == ("failed", before.id)
    assert "1 documents" in shop.job(job).detail
    assert shop.points(before) == shop.rows(before) != set()
    assert shop.vectors.collections() == [before.collection]  # what was built is gone


def test_a_document_whose_newest_version_failed_comes_along_with_the_one_that_answers(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    shop.sandbox.before = raising(ParsingFailed("It is encrypted.", "Save it without a password."))
    shop.upload("candle")
    shop.deliver()
    job = shop.reindex()
    shop.settle()
    assert shop.job(job).state == "done"
    found = shop.document(document)
    assert (found.version, found.serving_version, found.state) == (2, 1, DocumentState.FAILED)
    assert shop.points() == shop.rows() != set()


def test_points_that_differ_from_the_catalog_hold_the_takeover_up_and_are_mended(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    job = shop.reindex()
    advance_reindex(job, shop.parts)
    generation = generation_of(shop, job)
    ingest_once(shop.indexing(document, generation=generation.id).id, shop.parts)
    lost, kept = sorted(shop.points(generation))[:2]
    shop.vectors.delete_points(generation.collection, [lost])
    with shop.database.transaction() as session:
        session.execute(delete(ChunkRow).where(ChunkRow.id == kept))  # its point is one too many now
    advance_reindex(job, shop.parts)
    assert shop.job(job).state == "running"
    shop.settle()
    assert shop.job(job).state == "done"
    assert shop.points() == shop.rows() != set()


def test_a_cancelled_reindex_leaves_the_old_generation_alone_and_its_own_is_dropped(shop: Workshop) -> None:
    documents = [shop.upload(paragraphs(f"lantern {n}"), f"{n}.txt") for n in range(3)]
    shop.deliver()
    before, stored = shop.serving(), shop.stored()
    job = shop.reindex()
    batches: list[int] = []

    def cancel_half_way(texts: object) -> None:
        batches.append(1)
        if len(batches) == 2:
            cancel(shop, job)
            shop.sweep()

    shop.embedders.before = cancel_half_way
    shop.settle()
    advance_reindex(job, shop.parts)
    assert shop.serving().id == before.id
    assert shop.vectors.collections() == [before.collection]
    assert shop.points() == shop.rows() != set()
    assert {shop.document(d).state for d in documents} == {DocumentState.READY}
    assert shop.stored() == stored
    assert generation_of(shop, job).state == "dropped"


def test_nothing_is_queued_for_a_generation_that_was_cancelled_a_moment_ago(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    job = shop.reindex()
    cancel(shop, job)
    assert not _queue_missing(generation_of(shop, job).id, shop.parts)
    with shop.database.reading() as session:
        assert {row.generation_id for row in session.scalars(select(Indexing))} == {shop.serving().id}


def test_the_old_generation_is_kept_current_until_its_grace_is_over(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    before = shop.serving()
    shop.reindex()
    shop.deliver()
    shop.upload(paragraphs("candle"))
    shop.deliver()
    assert shop.points(before) == shop.rows(before) != set()
    assert shop.indexing(document, 2, before.id).state == DocumentState.READY
    shop.pass_time(1001)
    shop.sweep()
    assert shop.vectors.collections() == [shop.serving().collection]
    assert shop.rows(before) == set()
    assert {n for n in shop.stored() if n.startswith("texts/")} == {text_of(shop.indexing(document, 2))}


def test_access_changed_during_a_reindex_holds_in_the_new_generation(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"), access=("finance",))
    shop.deliver()
    job = shop.reindex()
    advance_reindex(job, shop.parts)

    def change(texts: object) -> None:
        with shop.database.transaction() as session:
            session.execute(update(DocumentAccess).values(principal="legal"))

    shop.embedders.before = change
    shop.deliver()
    assert shop.job(job).state == "done"
    records, _ = shop.vectors._client.scroll(shop.serving().collection, limit=1000)
    assert {tuple((r.payload or {})["access"]) for r in records} == {("legal",)}
    with shop.database.reading() as session:
        assert session.get_one(Document, document).untidy_since is None
