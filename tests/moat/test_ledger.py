"""The ledger adds up: exact sums, whoever asks, and rows whose process died."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat import ledger
from moat.access import create_key
from moat.database import Database
from moat.errors import InvalidRequest
from moat.records import Reader, Usage
from moat.tables import CallRow, utc_now

ADMIN = Reader(key_id=None, user="root", scopes=frozenset({"admin"}))
ANN = Reader(key_id=None, user="ann")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


def opened(
    database: Database,
    reader: Reader = ANN,
    corpora: tuple[str, ...] = ("hr",),
    model: str = "small",
    ceiling: Decimal = Decimal(1),
    lasts: timedelta = timedelta(minutes=1),
) -> UUID:
    context = ledger.CallContext(uuid4(), reader, corpora)
    return ledger.open_call(
        database,
        context,
        provider="fake",
        model=model,
        attempt=1,
        ceiling_usd=ceiling,
        price_version="test",
        lasts_at_most=lasts,
    )


def spent(
    database: Database, cost: str, reader: Reader = ANN, corpora: tuple[str, ...] = ("hr",), model: str = "small"
) -> None:
    call_id = opened(database, reader, corpora, model)
    ledger.settle(database, call_id, usage=Usage(10, 4, 2, 1), cost_usd=Decimal(cost), status="ok")


def grouped(database: Database, *names: str, reader: Reader = ADMIN) -> dict[tuple[str, ...], Decimal]:
    with database.reading() as session:
        return {line.group: line.cost_usd for line in ledger.costs(session, reader, group_by=names)}


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


def test_call_over_several_corpora_stands_whole_under_their_joined_name(database: Database) -> None:
    spent(database, "0.1", corpora=("hr",))
    spent(database, "0.2", corpora=("hr", "sales"))
    assert grouped(database, "corpus") == {("hr",): Decimal("0.1"), ("hr + sales",): Decimal("0.2")}


def test_costs_group_by_several_names_at_once(database: Database) -> None:
    spent(database, "0.1", model="small")
    spent(database, "0.2", model="big")
    today = utc_now().date().isoformat()
    assert grouped(database, "day", "model") == {
        (today, "fake/big"): Decimal("0.2"),
        (today, "fake/small"): Decimal("0.1"),
    }


def test_keys_are_named_and_who_comes_without_one_stands_together(database: Database) -> None:
    with database.transaction() as session:
        key, _ = create_key(session, name="reports", user="ann")
    spent(database, "0.1", Reader(key_id=key.id, user="ann"))
    spent(database, "0.2", Reader(key_id=None, user="widget:wid_x:0123"))
    spent(database, "0.4", Reader(key_id=None, user="ann"))
    assert grouped(database, "key") == {
        (f"reports ({key.prefix}…)",): Decimal("0.1"),
        ("widget",): Decimal("0.2"),
        ("signed in",): Decimal("0.4"),
    }


def test_others_see_only_their_own_calls(database: Database) -> None:
    spent(database, "0.1", ANN)
    spent(database, "0.2", Reader(key_id=None, user="bob"))
    assert grouped(database, "user", reader=ANN) == {("ann",): Decimal("0.1")}
    assert grouped(database, "user") == {("ann",): Decimal("0.1"), ("bob",): Decimal("0.2")}


def test_period_includes_its_start_and_excludes_its_end(database: Database) -> None:
    spent(database, "0.1")
    with database.transaction() as session:
        row = session.query(CallRow).one()
        row.opened_at = datetime(2026, 3, 1, tzinfo=UTC)
    with database.reading() as session:
        first, second = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
        assert len(ledger.costs(session, ADMIN, frm=first, to=second)) == 1
        assert ledger.costs(session, ADMIN, to=first) == []
        assert ledger.costs(session, ADMIN, frm=second) == []


def test_unknown_group_is_refused(database: Database) -> None:
    with database.reading() as session, pytest.raises(InvalidRequest, match="'moon'"):
        ledger.costs(session, ADMIN, group_by=["moon"])


def test_expired_open_calls_are_presumed_at_their_ceiling_and_the_truth_may_still_come(database: Database) -> None:
    call_id = opened(database, ceiling=Decimal("0.5"), lasts=timedelta(seconds=-1))
    opened(database, ceiling=Decimal("0.25"))
    assert ledger.expire_open(database, utc_now()) == 1
    assert ledger.expire_open(database, utc_now()) == 0
    assert grouped(database, "kind") == {("answer",): Decimal("0.75")}
    ledger.settle(database, call_id, usage=Usage(10), cost_usd=Decimal("0.1"), status="ok")
    assert grouped(database, "kind") == {("answer",): Decimal("0.35")}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.decimals(min_value=0, max_value=99, places=12), min_size=1, max_size=8))
def test_every_grouping_adds_up_to_the_ledger_exactly(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal]
) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'catalog.db'}")
    database.migrate()
    for number, amount in enumerate(amounts):
        spent(database, str(amount), corpora=("a",) if number % 2 else ("a", "b"), model=f"m{number % 3}")
    with database.reading() as session:
        total = ledger.total_usd(session, ADMIN)
    assert total == sum(amounts, Decimal(0))
    for name in ledger.GROUPS:
        assert sum(grouped(database, name).values(), Decimal(0)) == total
    database.close()
