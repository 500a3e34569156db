"""The ledger's rows: opened before a call, closed once, and presumed when their process died."""

from datetime import timedelta
from decimal import Decimal

from moat import ledger
from moat.database import Database
from moat.records import Usage
from tests.fakes.catalogs import database
from tests.fakes.spending import grouped, opened

__all__ = ["database"]


def test_open_call_counts_as_its_ceiling_until_it_is_settled(database: Database) -> None:
    call_id = opened(database, ceiling=Decimal("0.5"))
    assert grouped(database, "model") == {("fake/small",): Decimal("0.5")}
    ledger.settle(database, call_id, usage=Usage(10), cost_usd=Decimal("0.000000000001"), status="ok")
    assert grouped(database, "model") == {("fake/small",): Decimal("0.000000000001")}


def test_settled_call_cannot_be_settled_again(database: Database) -> None:
    call_id = opened(database)
    for cost in ("0.2", "0.3"):
        ledger.settle(database, call_id, usage=Usage(10), cost_usd=Decimal(cost), status="ok")
    assert grouped(database, "kind") == {("answer",): Decimal("0.2")}


def test_expired_open_calls_are_presumed_at_their_ceiling_and_the_truth_may_still_come(database: Database) -> None:
    call_id = opened(database, ceiling=Decimal("0.5"), lasts=timedelta(seconds=-1))
    opened(database, ceiling=Decimal("0.25"))
    assert ledger.expire_open(database) == 1
    assert ledger.expire_open(database) == 0
    assert grouped(database, "kind") == {("answer",): Decimal("0.75")}
    ledger.settle(database, call_id, usage=Usage(10), cost_usd=Decimal("0.1"), status="ok")
    assert grouped(database, "kind") == {("answer",): Decimal("0.35")}
