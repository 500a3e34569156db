"""Budgets hold: what a call may cost is reserved in all that apply or in none, and what it did cost is settled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from moat import budgets, ledger, reservations
from moat.access import create_key
from moat.budgets import Standing, Wish, renews_at, set_budget, standings, starts_at
from moat.corpora import create_corpus
from moat.database import Database
from moat.errors import BudgetExceeded, InvalidRequest, NotFound
from moat.ledger import CallContext, Opening
from moat.pipeline_settings import PipelineSettings
from moat.records import Reader, Usage
from moat.tables import BudgetPeriod, BudgetWait, CallRow, utc_now
from tests.fakes.catalogs import catalog, database, postgres, postgres_url
from tests.fakes.spending import ADMIN, ANN, opened, spent

__all__ = ["catalog", "database", "postgres", "postgres_url"]
BOB = Reader(None, "bob", frozenset({"staff"}))
DOLLAR = Decimal(1)


def limit(database: Database, usd: str, scope: str = "deployment", subject: str = "", **more: object) -> Standing:
    wish = Wish(scope, subject, str(more.pop("period", "day")), Decimal(usd), **more)  # type: ignore[arg-type]
    with database.transaction() as session:
        return set_budget(database, session, ADMIN, wish)


def standing(database: Database, scope: str = "deployment") -> Standing:
    with database.reading() as session:
        return next(found for found in standings(session, ADMIN) if found.budget.scope == scope)


def amounts(database: Database, scope: str = "deployment") -> tuple[Decimal, Decimal]:
    found = standing(database, scope)
    return found.spent_usd, found.reserved_usd


def settle(database: Database, call_id: UUID, usd: str) -> None:
    ledger.settle(database, call_id, usage=Usage(10), cost_usd=Decimal(usd), status="ok")


@pytest.mark.parametrize(
    ("period", "now", "start", "renewal"),
    [
        ("day", "2026-02-28T23:59:59.999999+00:00", "2026-02-28", "2026-03-01"),
        ("day", "2026-03-01T00:30:00+01:00", "2026-02-28", "2026-03-01"),  # it is still February in UTC
        ("week", "2026-11-29T12:00:00+00:00", "2026-11-23", "2026-11-30"),
        ("month", "2026-12-31T12:00:00+00:00", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-01T00:00:00+00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_periods_begin_at_midnight_of_utc(period: str, now: str, start: str, renewal: str) -> None:
    moment = datetime.fromisoformat(now)
    assert starts_at(period, moment) == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert renews_at(period, moment) == datetime.fromisoformat(renewal).replace(tzinfo=UTC)


def test_total_never_renews() -> None:
    assert starts_at("total", utc_now()) == starts_at("total", utc_now() + timedelta(days=9000))
    assert renews_at("total", utc_now()) is None


def test_ceiling_is_reserved_and_the_cost_settled(catalog: Database) -> None:
    limit(catalog, "5")
    call = opened(catalog, ceiling=DOLLAR)
    assert amounts(catalog) == (0, 1)
    settle(catalog, call, "0.25")
    assert amounts(catalog) == (Decimal("0.25"), 0)


def test_call_that_does_not_fit_is_refused_with_what_is_left_and_when_it_renews(database: Database) -> None:
    limit(database, "1")
    spent(database, "0.4")
    with pytest.raises(BudgetExceeded) as refused:
        opened(database, ceiling=Decimal("0.61"))
    assert refused.value.left_usd == Decimal("0.6")
    assert refused.value.renews_at == starts_at("day", utc_now()) + timedelta(days=1)
    assert "$0.6 of $1 left" in refused.value.detail
    assert "UTC" in refused.value.hint
    opened(database, ceiling=Decimal("0.6"))
    assert amounts(database) == (Decimal("0.4"), Decimal("0.6"))


def test_all_budgets_that_apply_are_charged_or_none(catalog: Database) -> None:
    with catalog.transaction() as session:
        key, _ = create_key(session, name="k", user="ann")
        create_corpus(session, "hr", [], PipelineSettings())
    for scope, subject in (("corpus", "hr"), ("key", str(key.id)), ("user", "ann"), ("group", "staff")):
        limit(catalog, "2", scope, subject)
    limit(catalog, "1.5")
    reader = Reader(key.id, "ann", frozenset({"staff", "board"}))
    call = opened(catalog, reader, ("hr", "other"), ceiling=DOLLAR)
    scopes = ("deployment", "corpus", "key", "user", "group")
    assert [amounts(catalog, scope) for scope in scopes] == [(0, 1)] * 5
    settle(catalog, call, "0.75")
    with pytest.raises(BudgetExceeded, match="this installation"):
        opened(catalog, reader, ("hr",), ceiling=DOLLAR)
    assert [amounts(catalog, scope) for scope in scopes] == [(Decimal("0.75"), 0)] * 5
    opened(catalog, BOB, ("other",), ceiling=Decimal("0.5"))
    assert amounts(catalog, "group") == (Decimal("0.75"), Decimal("0.5"))
    assert amounts(catalog, "user") == (Decimal("0.75"), 0)


def test_soft_budget_counts_and_refuses_nothing(database: Database) -> None:
    limit(database, "1", hard=False)
    spent(database, "3")
    opened(database, ceiling=DOLLAR)
    assert amounts(database) == (3, 1)


def test_cost_over_the_ceiling_is_booked_as_it_is(database: Database) -> None:
    limit(database, "5")
    call = opened(database, ceiling=DOLLAR)
    settle(database, call, "7")
    assert amounts(database) == (7, 0)


def test_call_that_costs_nothing_needs_no_room(database: Database) -> None:
    limit(database, "1")
    call = opened(database, ceiling=DOLLAR)
    settle(database, call, "7")
    opened(database, ceiling=Decimal(0))
    with pytest.raises(BudgetExceeded):
        opened(database, ceiling=Decimal("0.000000000001"))


def test_call_whose_process_died_counts_as_its_ceiling_until_the_truth_comes(database: Database) -> None:
    limit(database, "5")
    call = opened(database, ceiling=DOLLAR, lasts=timedelta(seconds=-1))
    assert ledger.expire_open(database) == 1
    assert amounts(database) == (1, 0)
    settle(database, call, "0.25")
    settle(database, call, "0.5")
    assert amounts(database) == (Decimal("0.25"), 0)


def test_new_budget_counts_what_its_period_has_spent_already(catalog: Database) -> None:
    with catalog.transaction() as session:
        create_corpus(session, "hr", [], PipelineSettings())
    spent(catalog, "0.5", BOB)
    spent(catalog, "0.25", ANN, ("other",))
    under_way = opened(catalog, BOB, ceiling=DOLLAR)
    dead = opened(catalog, BOB, ceiling=DOLLAR, lasts=timedelta(seconds=-1))
    ledger.expire_open(catalog)
    with catalog.transaction() as session:
        old = session.scalars(select(CallRow).where(CallRow.cost_usd == Decimal("0.25"))).one()
        old.opened_at -= timedelta(days=40)
    for scope, subject, so_far in (
        ("deployment", "", Decimal("1.5")),
        ("user", "bob", Decimal("1.5")),
        ("group", "staff", Decimal("1.5")),
        ("corpus", "hr", Decimal("1.5")),
    ):
        limit(catalog, "10", scope, subject, period="month")
        assert amounts(catalog, scope) == (so_far, 1)
    settle(catalog, under_way, "0.125")
    settle(catalog, dead, "0.0625")
    assert {amounts(catalog, scope) for scope in ("deployment", "user", "group", "corpus")} == {(Decimal("0.6875"), 0)}
    assert limit(catalog, "10", period="total").spent_usd == Decimal("0.9375")


def test_setting_it_again_changes_the_limit_and_keeps_what_was_counted(database: Database) -> None:
    first = limit(database, "5")
    spent(database, "0.5")
    again = limit(database, "7", hard=False, cheaper_model="extractive")
    assert (again.budget.id, again.spent_usd, again.budget.limit_usd) == (first.budget.id, Decimal("0.5"), 7)


def test_next_period_begins_with_nothing_and_a_call_counts_where_it_began(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(database, "1")
    spent(database, "0.5")
    late = opened(database, ceiling=Decimal("0.5"))
    with pytest.raises(BudgetExceeded):
        opened(database, ceiling=DOLLAR)
    tomorrow = utc_now() + timedelta(days=1)
    for module in (budgets, reservations, ledger):
        monkeypatch.setattr(module, "catalog_now", lambda _: tomorrow)
    assert amounts(database) == (0, 0)
    opened(database, ceiling=DOLLAR)
    settle(database, late, "0.25")
    assert amounts(database) == (0, 1)
    with database.reading() as session:
        assert session.scalars(select(BudgetPeriod.settled_usd).order_by(BudgetPeriod.starts_at)).all() == [
            Decimal("0.75"),
            0,
        ]


@pytest.mark.parametrize(
    ("scope", "subject", "error"),
    [
        ("deployment", "all", InvalidRequest),
        ("user", "", InvalidRequest),
        ("user", "widget:x", InvalidRequest),
        ("group", "everyone", InvalidRequest),
        ("key", "k", InvalidRequest),
        ("key", "3fdb37b8-3802-448f-905b-b51544d84737", NotFound),
        ("corpus", "nowhere", NotFound),
    ],
)
def test_budget_of_nobody_is_refused(database: Database, scope: str, subject: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        limit(database, "1", scope, subject)


def test_removed_budget_limits_no_more_and_its_calls_are_settled_all_the_same(database: Database) -> None:
    made = limit(database, "1")
    call = opened(database, ceiling=DOLLAR)
    with database.transaction() as session:
        budgets.remove_budget(session, made.budget.id)
    settle(database, call, "0.5")
    opened(database, ceiling=Decimal(9))
    with database.reading() as session:
        assert standings(session, ADMIN) == []
        assert session.get_one(CallRow, call).cost_usd == Decimal("0.5")


def test_others_see_the_budgets_of_their_own_name_key_and_groups(database: Database) -> None:
    for scope, subject in (("deployment", ""), ("user", "ann"), ("user", "bob"), ("group", "staff")):
        limit(database, "1", scope, subject)
    with database.reading() as session:
        assert [found.budget.subject for found in standings(session, BOB)] == ["staff", "bob"]
        assert len(standings(session, ADMIN)) == 4


def opening(ceiling: str = "1", reader: Reader = ANN) -> Opening:
    context = CallContext(uuid4(), reader, ("hr",))
    return Opening(context, "fake", "small", 1, Decimal(ceiling), "test", timedelta(minutes=1))


def test_call_waits_behind_those_under_way_and_those_before_it(catalog: Database) -> None:
    limit(catalog, "2")
    under_way = opened(catalog, ceiling=Decimal("1.5"))
    first, second, line = opening("1"), opening("0.25"), uuid4()
    turn = ledger.try_open(catalog, first, line)
    assert turn is not None
    later = ledger.try_open(catalog, second, line)
    assert later is not None, "there is room for it, but it would overtake"
    settle(catalog, under_way, "1")
    later = ledger.try_open(catalog, second, line, later)
    assert later is not None
    assert ledger.try_open(catalog, first, line, turn) is None
    with pytest.raises(BudgetExceeded):  # of an empty budget the first would have left enough
        opened(catalog, ceiling=Decimal("1.5"))
    assert amounts(catalog) == (1, 1)
    settle(catalog, first.call_id, "0.75")
    assert ledger.try_open(catalog, second, line, later) is None
    assert amounts(catalog) == (Decimal("1.75"), Decimal("0.25"))
    with catalog.reading() as session:
        assert session.scalars(select(BudgetWait)).all() == []


def test_who_waits_for_another_budget_holds_nobody_up(database: Database) -> None:
    limit(database, "5")
    limit(database, "1", "user", "ann")
    opened(database, ANN, ceiling=DOLLAR)
    assert ledger.try_open(database, opening(reader=ANN), uuid4()) is not None
    assert ledger.try_open(database, opening(reader=BOB), uuid4()) is None


def test_place_of_a_dead_process_holds_nobody_up(database: Database) -> None:
    limit(database, "2")
    opened(database, ceiling=DOLLAR)
    line = uuid4()
    assert ledger.try_open(database, opening("1.5"), line) is not None
    after = opening()
    turn = ledger.try_open(database, after, uuid4())
    assert turn is not None
    reservations.stay(database, line)
    assert ledger.try_open(database, after, uuid4(), turn) is not None
    with database.transaction() as session:
        session.execute(update(BudgetWait).where(BudgetWait.line == line).values(alive_until=utc_now()))
    assert ledger.try_open(database, after, uuid4(), turn) is None


def test_waiting_thread_goes_on_when_there_is_room_and_is_refused_when_there_is_none_in_time(catalog: Database) -> None:
    limit(catalog, "1")
    under_way = opened(catalog, ceiling=DOLLAR)
    context = CallContext(uuid4(), ANN)
    terms = {"provider": "fake", "model": "small", "attempt": 1, "price_version": "t"}
    open_call: Callable[..., UUID] = ledger.open_call
    more = {"ceiling_usd": Decimal("0.5"), "lasts_at_most": timedelta(minutes=1), **terms}
    with pytest.raises(BudgetExceeded, match="calls under way") as refused:
        open_call(catalog, context, wait_s=0.2, **more)
    assert refused.value.left_usd == 0
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(open_call, catalog, context, wait_s=20, **more)
        settle(catalog, under_way, "0.25")
        waiting.result(20)
    assert amounts(catalog) == (Decimal("0.25"), Decimal("0.5"))
