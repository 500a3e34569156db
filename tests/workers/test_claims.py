"""A claim is one worker's alone, lives as long as its worker, and loses to whoever comes after."""

from contextlib import suppress

import pytest

from moat.errors import LostClaim
from moat.records import WORKING_STATES, DocumentState
from tests.fakes.workshop import Killed, Workshop, paragraphs, raising
from workers.claims import Claims, fenced


def test_two_workers_cannot_hold_the_same_indexing(shop: Workshop) -> None:
    row = shop.indexing(shop.upload("lantern"))
    other = shop.worker("second").claims
    with shop.parts.claims.taken(row.id) as first, other.taken(row.id) as second:
        assert first is not None
        assert second is None


def test_an_expired_lease_may_be_taken_and_fences_the_first_holder_off(shop: Workshop) -> None:
    row = shop.indexing(shop.upload("lantern"))
    other = shop.worker("second").claims
    with shop.parts.claims.taken(row.id) as first:
        shop.pass_time(61)
        with other.taken(row.id) as second:
            assert first is not None
            assert second is not None
            assert second.fence > first.fence
            with shop.database.transaction() as session:
                assert fenced(session, second).claimed_by == "second"
            with pytest.raises(LostClaim), shop.database.transaction() as session:
                fenced(session, first)


def test_a_lease_is_renewed_while_its_holder_works(tmp_path) -> None:
    shop = Workshop(tmp_path, lease_s=0.3)
    row = shop.indexing(shop.upload("lantern"))
    with shop.parts.claims.taken(row.id) as claim:
        assert claim is not None
        first = shop.indexing(row.document_id).lease_until
        assert first is not None
        for _ in range(100):
            if claim.lost.wait(0.05) or (shop.indexing(row.document_id).lease_until or first) > first:
                break
        assert not claim.lost.is_set()
        assert (shop.indexing(row.document_id).lease_until or first) > first
    shop.close()


def test_a_holder_hears_that_its_claim_was_lost(tmp_path) -> None:
    shop = Workshop(tmp_path, lease_s=0.3)
    row = shop.indexing(shop.upload("lantern"))
    with shop.parts.claims.taken(row.id) as claim:
        assert claim is not None
        shop.delete(row.document_id)
        assert claim.lost.wait(10)
        with pytest.raises(LostClaim):
            claim.check()
    shop.close()


def test_a_restarted_worker_takes_back_at_once_what_its_earlier_process_held(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern"))
    shop.embedders.before = raising(Killed())
    with suppress(Killed):
        shop.ingest(document)
    assert shop.indexing(document).state in WORKING_STATES
    assert Claims(shop.database, shop.settings.worker, "another").recover_own() == 0
    assert Claims(shop.database, shop.settings.worker, "first").recover_own() == 1
    shop.embedders.before = lambda texts: None
    assert shop.ingest(document).state == DocumentState.READY
    assert shop.rows() == shop.points()


def test_a_document_that_kills_its_worker_each_time_is_quarantined_and_leaves_no_points(shop: Workshop) -> None:
    document = shop.upload(paragraphs("lantern", 200))
    batches: list[int] = []

    def die_in_the_second_batch(texts: object) -> None:
        batches.append(1)
        if len(batches) % 2 == 0:
            raise Killed

    shop.embedders.before = die_in_the_second_batch
    for _ in range(3):
        with suppress(Killed):
            shop.ingest(document)
        shop.pass_time(61)
    assert shop.points()  # each attempt wrote a batch
    assert shop.ingest(document).state == DocumentState.QUARANTINED
    shop.deliver()
    found = shop.indexing(document)
    assert "3 times" in (found.error or "")
    assert found.hint
    assert shop.points() == shop.rows() == set()
    assert len(batches) == 6
