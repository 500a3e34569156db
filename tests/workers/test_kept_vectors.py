"""What was embedded once is not embedded again, and what nobody needs any more is gone."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from moat.blobs import vectors_name
from moat.corpora import create_corpus
from moat.pipeline_settings import PipelineSettings
from moat.records import DocumentState
from moat.tables import Generation, Version
from tests.fakes.workshop import Killed, Workshop, paragraphs
from workers import ingest_document
from workers.ingest_document import ingest_once
from workers.kept_vectors import KeptVectors
from workers.rebuild import requeue_everything


@pytest.fixture
def embedded(shop: Workshop) -> list[str]:
    """Hear every text that is embedded."""
    heard: list[str] = []

    def hear(texts: Sequence[str]) -> None:
        heard.extend(texts)

    shop.embedders.before = hear
    return heard


def packs(shop: Workshop) -> set[str]:
    return {name for name in shop.stored() if name.startswith("vectors/")}


def long_text(changed: str = "") -> str:
    parts = [f"Rule {n}: " + " ".join(f"lamp{n * k}" for k in range(3 + n * n % 17)) for n in range(200)]
    return "\n\n".join([*parts[:100], *([changed] if changed else []), *parts[100:]])


def test_a_line_added_to_a_long_document_embeds_a_handful(shop: Workshop, embedded: list[str]) -> None:
    document = shop.upload(long_text())
    shop.deliver()
    before = len(embedded)
    assert before == shop.indexing(document).chunks > 90
    embedded.clear()
    shop.upload(long_text("Nobody lights a lamp on a Sunday."))
    shop.deliver()
    assert shop.indexing(document, 2).state == DocumentState.READY
    assert 1 <= len(embedded) <= 5
    assert shop.points() == shop.rows()


def test_an_exact_copy_embeds_and_parses_nothing_in_any_corpus(shop: Workshop, embedded: list[str]) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    embedded.clear()
    shop.upload(paragraphs("lantern"), key="b.txt", access=("hr",))
    with shop.database.transaction() as session:
        pipeline = PipelineSettings(embedder="words", chunk_tokens=32)
        shop.corpus = create_corpus(session, "another", ["everyone"], pipeline)
    third = shop.upload(paragraphs("lantern"), key="c.txt")
    shop.deliver()
    assert shop.document(third).state == DocumentState.READY
    assert (embedded, shop.sandbox.parsed) == ([], ["a.txt"])
    assert len([name for name in shop.stored() if name.startswith("originals/")]) == 1


def test_rebuilding_lost_vectors_embeds_nothing_and_gives_the_same_ones(shop: Workshop, embedded: list[str]) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    before = dense(shop)
    shop.vectors.drop(shop.serving().collection)
    embedded.clear()
    requeue_everything(shop.database)
    shop.settle()
    assert shop.points() == shop.rows() != set()
    assert (embedded, dense(shop)) == ([], before)


def test_a_reindex_with_the_same_embedder_and_chunks_embeds_nothing(shop: Workshop, embedded: list[str]) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    embedded.clear()
    job = shop.reindex("words")
    shop.settle()
    assert shop.job(job).state == "done"
    assert embedded == []


def test_a_reindex_with_another_embedder_embeds_everything(shop: Workshop, embedded: list[str]) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    embedded.clear()
    shop.reindex("small")
    shop.settle()
    assert len(embedded) == shop.indexing(document).chunks > 3


def test_vectors_go_with_the_last_document_that_needs_them(shop: Workshop) -> None:
    one, two = shop.upload(paragraphs("lantern")), shop.upload(paragraphs("lantern"), key="b.txt", access=("hr",))
    shop.upload(paragraphs("beacon"), key="c.txt")
    shop.deliver()
    assert len(packs(shop)) == 2
    shop.delete(one)
    shop.settle()
    assert len(packs(shop)) == 2
    shop.delete(two)
    shop.settle()
    assert len(packs(shop)) == 1


def test_vectors_go_with_the_generation_that_they_were_made_for(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    with shop.database.reading() as session:
        sha256 = session.get_one(Version, (document, 1)).sha256
    old = shop.serving()
    shop.reindex("small")
    shop.settle()
    new = shop.serving()
    shop.pass_time(2000)
    shop.settle()
    assert packs(shop) == {vectors_name(sha256, new.fingerprint)} != {vectors_name(sha256, old.fingerprint)}


def test_vectors_stay_while_another_generation_of_the_same_pipeline_needs_them(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    old = shop.serving()
    shop.reindex("words")
    with shop.database.transaction() as session:  # as if nothing of the pipeline had changed
        session.scalars(select(Generation).where(Generation.id != old.id)).one().fingerprint = old.fingerprint
    shop.settle()
    shop.pass_time(2000)
    shop.settle()
    assert shop.serving().id != old.id
    assert len(packs(shop)) == 1


def test_a_worker_killed_in_a_long_document_has_kept_what_it_embedded(
    shop: Workshop, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_document, "PROGRESS_EVERY_S", 0)
    monkeypatch.setattr(ingest_document, "SAVED_EVERY", 1)
    document = shop.upload(long_text())

    def die(texts: Sequence[str]) -> None:
        if embedded:
            raise Killed
        embedded.extend(texts)

    shop.embedders.before = die
    with pytest.raises(Killed):
        shop.ingest(document)
    first = list(embedded)
    embedded.clear()
    shop.embedders.before = embedded.extend
    shop.pass_time(100)
    shop.settle()
    assert shop.document(document).state == DocumentState.READY
    assert len(first) == 64
    assert not set(first) & set(embedded)


def test_a_damaged_pack_is_made_again(shop: Workshop, embedded: list[str]) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    (pack,) = packs(shop)
    shop.blobs.put(pack, shop.blobs.get(pack)[:-20])
    before = len(embedded)
    requeue_everything(shop.database)
    shop.settle()
    assert len(embedded) == 2 * before
    with shop.database.reading() as session:
        sha256 = session.get_one(Version, (document, 1)).sha256
    assert len(KeptVectors(sha256, shop.serving().fingerprint, shop.blobs).vectors) == before


def test_a_document_deleted_while_it_is_embedded_leaves_no_vectors(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.embedders.before = lambda texts: shop.delete(document)
    ingest_once(shop.indexing(document).id, shop.parts)
    shop.settle()
    assert packs(shop) == set()
    assert shop.points() == set()


def test_token_vectors_are_kept_and_reused_like_the_others(shop: Workshop, embedded: list[str]) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    before = vectors(shop, "tokens")
    assert len(before) == len(shop.rows()) > 0
    shop.vectors.drop(shop.serving().collection)
    embedded.clear()
    requeue_everything(shop.database)
    shop.settle()
    assert (embedded, vectors(shop, "tokens")) == ([], before)


def test_an_index_from_before_late_interaction_goes_on_without_it_until_it_is_built_anew(shop: Workshop) -> None:
    with shop.database.transaction() as session:
        generation = session.get_one(Generation, shop.serving().id)
        generation.pipeline = {name: v for name, v in generation.pipeline.items() if name != "late_interaction"}
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    assert shop.indexing(document).state == DocumentState.READY
    assert vectors(shop, "tokens") == {}
    shop.reindex("words")
    shop.settle()
    assert set(vectors(shop, "tokens")) == set(map(str, shop.rows()))


def test_late_interaction_can_be_switched_off(shop: Workshop) -> None:
    shop.upload(paragraphs("lantern"))
    shop.deliver()
    shop.reindex("words", late_interaction=False)
    shop.settle()
    assert vectors(shop, "tokens") == {}
    assert set(dense(shop)) == set(map(str, shop.rows()))


def dense(shop: Workshop) -> dict[str, list[float]]:
    return vectors(shop, "dense")


def vectors(shop: Workshop, name: str) -> dict[str, list[float]]:
    client = shop.vectors._client
    records, _ = client.scroll(shop.serving().collection, limit=1000, with_vectors=True)
    named = {str(record.id): record.vector for record in records}
    return {id_: vector[name] for id_, vector in named.items() if name in vector}  # type: ignore[index,operator,call-overload]
