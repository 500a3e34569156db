"""Room in budgets: a call reserves the most it can cost in every budget that applies, or in none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, cast
from uuid import UUID

from sqlalchemy import Connection, Table, and_, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moat.budget_alerts import raise_crossed, raise_used_up
from moat.budgets import APPLYING, LOCK, SESSION, new_period, period_id, renews_at, whose
from moat.database import Database, catalog_now
from moat.errors import BudgetExceeded
from moat.records import Reader
from moat.tables import Budget, BudgetCharge, BudgetPeriod, BudgetWait, Corpus

# A place in the line whose process has not said for so long that it lives holds nobody up.
ALIVE = timedelta(seconds=5)

# Every call asks these, with all others waiting: building them anew each time, and making objects of their rows, took
# longer than running them.
_CHARGE, _PERIOD, _BUDGET = (cast(Table, each.__table__) for each in (BudgetCharge, BudgetPeriod, Budget))


class _Limit(NamedTuple):
    """A budget, as far as it matters here."""

    id: UUID
    scope: str
    subject: str
    corpus_id: UUID | None
    period: str
    limit_usd: Decimal
    hard: bool
    cheaper_model: str | None


class _Period(NamedTuple):
    """What a budget's present period has spent and reserved, and whether somebody waits before this call."""

    id: UUID
    settled_usd: Decimal
    reserved_usd: Decimal
    waits: bool

    @property
    def taken_usd(self) -> Decimal:
        return self.settled_usd + self.reserved_usd


_BUDGETS = select(*(_BUDGET.c[name] for name in _Limit._fields)).where(APPLYING)
_WAITS_BEFORE = exists().where(
    BudgetWait.period_id == _PERIOD.c.id,
    BudgetWait.call_id != bindparam("own_call"),
    BudgetWait.alive_until > bindparam("at"),
    or_(
        BudgetWait.since < bindparam("own_since"),
        and_(BudgetWait.since == bindparam("own_since"), BudgetWait.call_id < bindparam("own_call")),
    ),
)
_PERIODS = (
    select(_PERIOD.c.id, _PERIOD.c.settled_usd, _PERIOD.c.reserved_usd, _WAITS_BEFORE)
    .where(_PERIOD.c.id.in_(bindparam("periods", expanding=True)))
    .order_by(_PERIOD.c.id)  # in this order everywhere, or two calls wait for each other
    .with_for_update(of=_PERIOD)
)
_CHARGED = _PERIOD.c.id.in_(select(_CHARGE.c.period_id).where(_CHARGE.c.call_id == bindparam("of_call")))
_LOCK_CHARGED = select(_PERIOD.c.id).where(_CHARGED).order_by(_PERIOD.c.id).with_for_update()
_CHARGES = insert(_CHARGE)
_ADD = (
    update(_PERIOD)
    .where(_CHARGED)
    .values(
        reserved_usd=_PERIOD.c.reserved_usd + bindparam("more_reserved", type_=_PERIOD.c.reserved_usd.type),
        settled_usd=_PERIOD.c.settled_usd + bindparam("more_settled", type_=_PERIOD.c.settled_usd.type),
    )
)
_LIMIT = select(_BUDGET.c.limit_usd).where(_BUDGET.c.id == _PERIOD.c.budget_id).scalar_subquery()
_ADD_AND_TELL = _ADD.returning(_PERIOD.c.id, _PERIOD.c.settled_usd, _LIMIT)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Room for a call; `line` is the queue of its process."""

    call_id: UUID
    reader: Reader
    corpora: tuple[str, ...]
    ceiling_usd: Decimal
    line: UUID


@dataclass(frozen=True, slots=True)
class Turn:
    """A place in the line before a budget; `refusal` is for who has waited there in vain."""

    since: datetime
    period_id: UUID
    refusal: BudgetExceeded


class UnknownPeriods(Exception):
    """A period has begun of which nobody has made the row; it is made in a transaction of its own, then tried again.

    Making it while other rows are held could lock two processes against each other.
    """

    def __init__(self, periods: Sequence[BudgetPeriod]) -> None:
        super().__init__()
        self.periods = periods


def reserve(database: Database, session: Session, wanted: Wanted, turn: Turn | None) -> Turn | BudgetExceeded | None:
    """Reserve a call's ceiling; otherwise gives its place in the line, or why it can never fit.

    It waits where settled spending leaves room and only calls under way, or those before it in the line, do not.
    """
    if not wanted.ceiling_usd:  # what costs nothing needs no room, even where more was spent than there was
        return None
    database.lock(session, LOCK, shared=True)
    now = catalog_now(session)
    connection = session.connection()
    applying = connection.execute(_BUDGETS, whose(wanted.reader, wanted.corpora))
    budgets = {period_id(limit.id, limit.period, now): limit for limit in (_Limit(*row) for row in applying)}
    if not budgets:
        _out_of_line(session, wanted, turn)
        return None
    periods = _held(connection, wanted, now, turn, budgets)
    hard = [period for period in periods if budgets[period.id].hard]
    refusing = [p for p in hard if p.settled_usd + wanted.ceiling_usd > budgets[p.id].limit_usd]
    if refusing:
        for period in refusing:
            raise_used_up(session, period.id, budgets[period.id].limit_usd, period.settled_usd)
        _out_of_line(session, wanted, turn)
        return _refusal(session, wanted, [(budgets[p.id], p) for p in refusing], now)
    tight = [p for p in hard if p.waits or p.taken_usd + wanted.ceiling_usd > budgets[p.id].limit_usd]
    if tight:
        since = turn.since if turn else now
        _stand(session, wanted, tight, since, now)
        return Turn(since, tight[0].id, _refusal(session, wanted, [(budgets[p.id], p) for p in tight], now, True))
    connection.execute(_CHARGES, [{"call_id": wanted.call_id, "period_id": period.id} for period in periods])
    reserved = {"of_call": wanted.call_id, "more_reserved": wanted.ceiling_usd, "more_settled": Decimal(0)}
    connection.execute(_ADD, reserved)
    _out_of_line(session, wanted, turn)
    return None


def charge(
    database: Database, session: Session, call_id: UUID, *, reserved_usd: Decimal, settled_usd: Decimal
) -> None:  # fmt: skip
    """Add to what a call has reserved and settled in the periods that it was charged to."""
    connection = session.connection()
    if not database.is_sqlite:  # its one writer holds them all
        connection.execute(_LOCK_CHARGED, {"of_call": call_id})
    added = {"of_call": call_id, "more_reserved": reserved_usd, "more_settled": settled_usd}
    for id_, spent_usd, limit_usd in connection.execute(_ADD_AND_TELL, added).all():
        raise_crossed(session, id_, limit_usd, spent_usd - settled_usd, spent_usd)


def make_periods(database: Database, periods: Sequence[BudgetPeriod]) -> None:
    """Make the rows of periods that have begun, unless somebody else was quicker."""
    for period in periods:
        try:
            with database.transaction() as session:
                session.add(period)
        except IntegrityError:  # it is there, or its budget is gone
            continue


def stay(database: Database, line: UUID) -> None:
    """Say that everybody in this line is still waiting."""
    with database.transaction(hasty=True) as session:
        alive_until = catalog_now(session) + ALIVE
        session.execute(update(BudgetWait).where(BudgetWait.line == line).values(alive_until=alive_until))


def leave(database: Database, call_id: UUID) -> None:
    """Give up a place in the line."""
    with database.transaction(hasty=True) as session:
        session.execute(delete(BudgetWait).where(BudgetWait.call_id == call_id))


def drop_dead_waits(session: Session, before: datetime) -> None:
    """Remove the places of processes that died."""
    session.execute(delete(BudgetWait).where(BudgetWait.alive_until < before))


def _held(
    connection: Connection, wanted: Wanted, now: datetime, turn: Turn | None, budgets: Mapping[UUID, _Limit]
) -> list[_Period]:
    """Lock the periods, in one order for all."""
    mine = turn.since if turn else now
    asked = {"periods": list(budgets), "own_call": wanted.call_id, "at": now, "own_since": mine}
    found = [_Period(*row) for row in connection.execute(_PERIODS, asked)]
    missing = budgets.keys() - {period.id for period in found}
    if missing:
        raise UnknownPeriods([new_period(budgets[id_].id, budgets[id_].period, now) for id_ in sorted(missing)])
    return found


def _stand(
    session: Session, wanted: Wanted, tight: Sequence[_Period], since: datetime, now: datetime
) -> None:  # fmt: skip
    """Stand in line before exactly these budgets: one that has room must not be held up by who waits for another."""
    standing = {
        row.period_id: row for row in session.scalars(select(BudgetWait).where(BudgetWait.call_id == wanted.call_id))
    }
    ids = {period.id for period in tight}
    for id_ in standing.keys() - ids:
        session.delete(standing[id_])
    session.add_all(
        BudgetWait(call_id=wanted.call_id, period_id=id_, since=since, line=wanted.line, alive_until=now + ALIVE)
        for id_ in ids - standing.keys()
    )


def _out_of_line(session: Session, wanted: Wanted, turn: Turn | None) -> None:
    if turn is not None:
        session.execute(delete(BudgetWait).where(BudgetWait.call_id == wanted.call_id))


def _refusal(
    session: Session,
    wanted: Wanted,
    refusing: Sequence[tuple[_Limit, _Period]],
    now: datetime,
    waited: bool = False,
) -> BudgetExceeded:
    """Say which budget is in the way: of several the one that renews last, since all of them must have room."""
    never = datetime.max.replace(tzinfo=now.tzinfo)
    budget, period = max(refusing, key=lambda both: renews_at(both[0].period, now) or never)
    cheaper = next((other.cheaper_model for other, _ in refusing if other.cheaper_model), None)
    if wanted.reader.session and budget.scope != SESSION:  # what a company spends is no visitor's business
        return BudgetExceeded("No more questions can be paid for at present.", cheaper_model=cheaper)
    left = max(Decimal(0), budget.limit_usd - (period.taken_usd if waited else period.settled_usd))
    why = " free of other calls under way, and none of them ended in time" if waited else ""
    return BudgetExceeded(
        f"{_whose(session, budget)} has ${_plain(left)} of ${_plain(budget.limit_usd)} left{why}; "
        f"this call may cost up to ${_plain(wanted.ceiling_usd)}.",
        left_usd=left,
        renews_at=renews_at(budget.period, now),
        cheaper_model=cheaper,
        passing=waited,
    )


def _whose(session: Session, budget: _Limit) -> str:
    span = {"day": "day's budget", "week": "week's budget", "month": "month's budget", "total": "whole budget"}
    match budget.scope:
        case "deployment":
            owner = "this installation"
        case "corpus":
            owner = f"the corpus {session.get_one(Corpus, budget.corpus_id).name!r}"
        case "user" | "group":
            owner = f"the {budget.scope} {budget.subject!r}"
        case scope:
            owner = f"this {scope}"
    return f"The {span[budget.period]} of {owner}"


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f") if amount else "0"
