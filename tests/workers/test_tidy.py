"""Tidying makes points say what the catalog says, also when two tidies and a change come together."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update

from moat.documents import mark_untidy
from moat.tables import DocumentAccess
from tests.fakes.workshop import Workshop, paragraphs
from workers.tidy import tidy_document


def let_in(shop: Workshop, document: UUID, principal: str) -> None:
    with shop.database.transaction() as session:
        session.execute(update(DocumentAccess).values(principal=principal))
        mark_untidy(session, document)


def payload_access(shop: Workshop) -> set[tuple[str, ...]]:
    records, _ = shop.vectors._client.scroll(shop.serving().collection, limit=1000)
    return {tuple((record.payload or {})["access"]) for record in records}


def test_a_tidy_that_was_overtaken_does_not_leave_the_readers_of_yesterday(shop: Workshop, monkeypatch) -> None:
    document = shop.upload(paragraphs("lantern"), access=("finance",))
    shop.deliver()
    let_in(shop, document, "legal")
    real = shop.vectors.set_access
    overtaken: list[int] = []

    def slow(collection: str, id_: UUID, access: Sequence[str]) -> None:
        if not overtaken:
            overtaken.append(1)
            let_in(shop, document, "board")
            tidy_document(document, shop.parts)  # another thread's, from beginning to end
        real(collection, id_, access)

    monkeypatch.setattr(shop.vectors, "set_access", slow)
    tidy_document(document, shop.parts)
    assert payload_access(shop) == {("board",)}
    assert shop.document(document).untidy_since is None


def test_tidying_again_changes_nothing(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.deliver()
    points = shop.points()
    for _ in range(2):
        tidy_document(document, shop.parts)
    assert shop.points() == shop.rows() == points
