"""Exact copies share what is stored, and what is embedded, for as long as one of them is there."""

from uuid import UUID

from sqlalchemy import update

from moat.blobs import text_name
from moat.documents import text_of
from moat.records import DocumentState
from moat.tables import Indexing
from tests.fakes.workshop import Workshop, paragraphs


def copies(shop: Workshop, number: int) -> list[UUID]:
    made = [shop.upload(paragraphs("lantern"), f"{at}.txt") for at in range(number)]
    shop.deliver()
    assert {shop.document(document).state for document in made} == {DocumentState.READY}
    return made


def test_copies_are_documents_without_blobs_or_embeddings_of_their_own(shop: Workshop) -> None:
    first, *others = copies(shop, 4)
    kinds = sorted(name.partition("/")[0] for name in shop.stored())
    assert kinds == ["originals", "parsed", "texts", "vectors"]
    reports = [shop.indexing(document).report or {} for document in (first, *others)]
    assert [report["embedded"] for report in reports] == [shop.indexing(first).chunks, 0, 0, 0]
    assert shop.points() == shop.rows()
    assert len(shop.points()) == 4 * shop.indexing(first).chunks


def test_a_shared_text_stays_until_the_last_document_that_has_it_is_deleted(shop: Workshop) -> None:
    first, second = copies(shop, 2)
    shared = text_of(shop.indexing(first))
    shop.delete(first)
    shop.deliver()
    assert text_of(shop.indexing(second)) == shared
    assert shared in shop.stored()
    shop.delete(second)
    shop.deliver()
    assert shop.stored() == set()


def test_a_shared_text_stays_when_one_of_its_documents_says_something_new(shop: Workshop) -> None:
    first, second = copies(shop, 2)
    shared = text_of(shop.indexing(first))
    shop.upload(paragraphs("candle"), "0.txt")
    shop.deliver()
    assert {name for name in shop.stored() if name.startswith("texts/")} == {shared, text_of(shop.indexing(first, 2))}
    shop.upload(paragraphs("candle"), "1.txt")
    shop.deliver()
    assert {name for name in shop.stored() if name.startswith("texts/")} == {text_of(shop.indexing(second, 2))}


def test_a_reindex_mends_a_text_that_was_lost(shop: Workshop) -> None:
    first, second = copies(shop, 2)
    shop.blobs.delete(text_of(shop.indexing(first)))
    shop.reindex()
    shop.deliver()
    assert text_of(shop.indexing(first)) == text_of(shop.indexing(second))
    assert text_of(shop.indexing(first)) in shop.stored()


def test_texts_of_an_older_moat_are_found_and_removed_by_their_old_names(shop: Workshop) -> None:
    (document,) = copies(shop, 1)
    old = shop.indexing(document)
    shop.blobs.put(text_name(old.id), b"{}")
    shop.blobs.delete(text_of(old))
    with shop.database.transaction() as session:
        session.execute(update(Indexing).values(text=None))
    assert text_of(shop.indexing(document)) == text_name(old.id)
    shop.delete(document)
    shop.deliver()
    assert shop.stored() == set()
