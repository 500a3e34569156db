"""Where the ledger and a provider's bill differ, and why: each case with amounts worked out by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat import ledger
from moat.database import Database
from moat.reconcile import (
    ESTIMATED,
    NOT_IN_EXPORT,
    NOT_IN_LEDGER,
    PRESUMED,
    PRICE,
    PRICE_OR_ROWS,
    ROUNDED,
    Booked,
    Compared,
    reconcile,
)
from moat.records import Usage
from moat.tables import CallRow
from moat.usage_exports import read_export
from tests.fakes.spending import opened

HEAD = "day,model,tokens,dollars\n"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


def booked(
    database: Database,
    cost: str,
    tokens: int = 100,
    *,
    how: str = "ok",
    model: str = "big",
    day: int = 3,
    returned: str = "",
) -> None:
    """Book a call as reported (ok), counted here (estimated) or never billed (presumed, at its ceiling of $1)."""
    call_id = opened(database, model=model, ceiling=Decimal(1))
    usage = Usage(tokens, 0, 0, reported=how == "ok")
    if how == "presumed":
        ledger.presume(database, call_id, usage)
    else:
        ledger.settle(database, call_id, usage=usage, cost_usd=Decimal(cost), status="ok", model_returned=returned)
    with database.transaction() as session:
        session.get_one(CallRow, call_id).opened_at = datetime(2026, 11, day, 23, 59, tzinfo=UTC)


def compared(database: Database, lines: str, provider: str = "", within: str = "0") -> list[Compared]:
    with database.reading() as session:
        return list(reconcile(session, read_export(HEAD + lines), provider, Decimal(within)))


def why(database: Database, line: str, **options: str) -> dict[str, str]:
    (only,) = compared(database, line, **options)
    assert only.difference_usd == sum((reason.usd for reason in only.reasons), Decimal(0))
    return {reason.reason: f"{reason.usd.normalize():f}" for reason in only.reasons}


def test_what_is_the_same_on_both_sides_has_no_reasons(database: Database) -> None:
    booked(database, "0.1")
    booked(database, "0.2")
    (line,) = compared(database, "2026-11-03,big,200,0.30\n")
    assert (line.difference_usd, line.difference_tokens, line.reasons) == (0, 0, ())
    assert (line.booked and line.booked.calls, line.booked and line.booked.price_versions) == (2, {"test"})


def test_rows_that_one_side_lacks_are_named(database: Database) -> None:
    booked(database, "0.1")
    lines = compared(database, "2026-11-03,other,5,0.5\n")
    assert [(line.model, [(r.reason, r.usd) for r in line.reasons]) for line in lines] == [
        ("big", [(NOT_IN_EXPORT, Decimal("0.1"))]),
        ("other", [(NOT_IN_LEDGER, Decimal("-0.5"))]),
    ]


def test_tokens_that_one_side_lacks_are_missing_rows(database: Database) -> None:
    booked(database, "0.1")
    assert why(database, "2026-11-03,big,150,0.15") == {NOT_IN_LEDGER: "-0.05"}
    assert why(database, "2026-11-03,big,50,0.05") == {NOT_IN_EXPORT: "0.05"}


def test_same_tokens_for_other_dollars_are_a_difference_of_price(database: Database) -> None:
    booked(database, "0.1")
    assert why(database, "2026-11-03,big,100,0.12") == {PRICE: "-0.02"}
    assert why(database, "2026-11-03,big,,0.12") == {PRICE_OR_ROWS: "-0.02"}


def test_presumed_calls_explain_what_their_true_bill_leaves_of_their_ceiling(database: Database) -> None:
    booked(database, "0.1")
    booked(database, "", how="presumed")
    assert why(database, "2026-11-03,big,160,0.15") == {PRESUMED: "0.95"}
    assert why(database, "2026-11-03,big,100,0.10") == {PRESUMED: "1"}, "it was never billed"
    assert why(database, "2026-11-03,big,100,0.12") == {PRESUMED: "1", PRICE: "-0.02"}
    assert why(database, "2026-11-03,big,900,1.50") == {PRICE: "-0.4"}, "more than its ceiling is not its bill"


def test_estimated_calls_explain_what_was_counted_otherwise(database: Database) -> None:
    booked(database, "0.1")
    booked(database, "0.04", tokens=40, how="estimated")
    assert why(database, "2026-11-03,big,145,0.145") == {ESTIMATED: "-0.005"}
    booked(database, "", how="presumed")
    assert why(database, "2026-11-03,big,145,0.145") == {PRESUMED: "0.995"}, "the presumed one gives way first"


def test_rounded_exports_may_differ_by_so_much(database: Database) -> None:
    booked(database, "0.104")
    assert why(database, "2026-11-03,big,100,0.10", within="0.005") == {ROUNDED: "0.004"}


def test_model_is_found_as_returned_as_asked_or_without_its_date(database: Database) -> None:
    booked(database, "0.1", model="gpt", returned="gpt-2026-01-02")
    for name in ("gpt-2026-01-02", "gpt", "fake/gpt", "gpt-20260202"):
        assert why(database, f"2026-11-03,{name},100,0.1") == {}, name


def test_only_the_provider_s_calls_and_the_export_s_days_are_compared(database: Database) -> None:
    booked(database, "0.1")
    booked(database, "0.7", day=4)
    assert why(database, "2026-11-03,big,100,0.1", provider="fake") == {}
    assert why(database, "2026-11-03,big,100,0.1", provider="else") == {NOT_IN_LEDGER: "-0.1"}


def test_free_model_is_on_nobody_s_bill(database: Database) -> None:
    booked(database, "0", model="llama")
    booked(database, "0.1")
    assert [line.model for line in compared(database, "2026-11-03,big,100,0.1\n")] == ["big"]


def test_export_without_dollars_is_compared_by_its_tokens(database: Database) -> None:
    booked(database, "0.1")
    (line,) = compared(database, "2026-11-03,big,130,\n")
    assert (line.difference_usd, line.difference_tokens, line.reasons) == (None, -30, ())
    assert line.detail == "missing in the ledger: 30 tokens"


AMOUNT = st.decimals(min_value=0, max_value=2, places=6)


@settings(max_examples=300, deadline=None)
@given(
    exact=AMOUNT, estimated=AMOUNT, presumed=AMOUNT, billed=AMOUNT,
    counts=st.tuples(st.integers(0, 1), st.integers(0, 1)), tokens=st.none() | st.integers(0, 400),
)  # fmt: skip
def test_reasons_always_add_up_to_the_difference(
    exact: Decimal, estimated: Decimal, presumed: Decimal, billed: Decimal, counts: tuple[int, int], tokens: int | None
) -> None:
    from moat.reconcile import _compared
    from moat.usage_exports import Billed

    day = datetime(2026, 11, 3, tzinfo=UTC).date()
    side = Booked(3, exact, 200)
    side.estimated, side.presumed = counts
    side.estimated_usd, side.presumed_usd = estimated * counts[0], presumed * counts[1]
    side.ceilings_usd = 2 * side.unsure_usd
    line = _compared((day, "m"), side, Billed(day, "m", tokens=tokens, cost_usd=billed), Decimal(0))
    assert sum((reason.usd for reason in line.reasons), Decimal(0)) == line.difference_usd == side.cost_usd - billed
