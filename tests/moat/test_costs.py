"""Sums of the ledger: exact, whoever asks and whatever they are grouped by."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.access import create_key
from moat.costs import GROUPS, costs, total_usd
from moat.database import Database
from moat.errors import InvalidRequest
from moat.records import Reader
from moat.tables import CallRow, utc_now
from tests.fakes.spending import ADMIN, ANN, grouped, spent


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


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
        assert len(costs(session, ADMIN, frm=first, to=second)) == 1
        assert costs(session, ADMIN, to=first) == []
        assert costs(session, ADMIN, frm=second) == []


def test_unknown_group_is_refused(database: Database) -> None:
    with database.reading() as session, pytest.raises(InvalidRequest, match="'moon'"):
        costs(session, ADMIN, group_by=["moon"])


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
        total = total_usd(session, ADMIN)
    assert total == sum(amounts, Decimal(0))
    for name in GROUPS:
        assert sum(grouped(database, name).values(), Decimal(0)) == total
    database.close()
