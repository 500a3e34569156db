"""What is deleted is gone: rows, points, texts and files, except what somebody else still needs."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from moat.tables import ChunkRow, Document, Forgetting, Indexing, Version, utc_now
from tests.fakes.workshop import Workshop, paragraphs
from workers.forget import forget_document


def left(shop: Workshop) -> dict[str, int]:
    tables = (Document, Version, Indexing, ChunkRow, Forgetting)
    with shop.database.reading() as session:
        return {t.__tablename__: session.scalar(select(func.count()).select_from(t)) or 0 for t in tables}


def is_pending(shop: Workshop, document: UUID) -> bool:
    with shop.database.reading() as session:
        return session.get(Forgetting, document) is not None


def test_a_deleted_document_leaves_nothing(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    shop.upload(paragraphs("candle"))
    shop.deliver()
    assert shop.points()
    assert shop.stored()
    shop.delete(document)
    shop.deliver()
    assert shop.points() == set()
    assert shop.stored() == set()
    assert not any(left(shop).values())


def test_a_file_that_two_documents_share_goes_with_the_last_of_them(shop: Workshop) -> None:
    first, second = shop.upload(paragraphs("lantern"), "a.txt"), shop.upload(paragraphs("lantern"), "b.txt")
    shop.deliver()
    originals = {name for name in shop.stored() if not name.startswith("texts/")}
    shop.delete(first)
    shop.deliver()
    assert {name for name in shop.stored() if not name.startswith("texts/")} == originals
    assert shop.points() == shop.rows() != set()
    shop.delete(second)
    shop.deliver()
    assert shop.stored() == set()


def test_forgetting_is_not_over_before_the_last_lease_has_ended(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    with shop.parts.claims.taken(shop.indexing(document).id):
        shop.delete(document)
        assert not forget_document(document, shop.parts)
        assert not forget_document(document, shop.parts, utc_now() + timedelta(seconds=59))
        assert is_pending(shop, document)
    assert shop.stored() == set()  # the content goes at once all the same
    assert forget_document(document, shop.parts, utc_now() + timedelta(seconds=66))
    assert forget_document(document, shop.parts)  # a second time is fine
    assert not is_pending(shop, document)


def test_a_deletion_whose_message_was_lost_is_finished_by_the_sweep(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    shop.delete(document)
    shop.parts.publisher.publish_due()
    assert shop.drain_broker() == 1
    shop.sweep()
    assert shop.points() == set()
    assert not any(left(shop).values())
