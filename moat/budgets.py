"""Budgets: whose spending they limit, in which period, what is left of them. Days, weeks and months are UTC's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, delete, exists, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from moat.access import find_corpus
from moat.budget_alerts import raise_reached
from moat.database import Database, catalog_now
from moat.errors import InvalidRequest, NotFound
from moat.names import is_group, is_user
from moat.records import Reader
from moat.tables import ApiKey, Budget, BudgetAlert, BudgetCharge, BudgetPeriod, CallRow, Corpus, WidgetSession

TIME_ZONE = "UTC"
SCOPES = ("deployment", "corpus", "key", "user", "group")
SESSION = "session"
LOCK = "budgets"
# Where the period without end begins: before any call.
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """A budget as somebody wants it; `subject`: a corpus by name or id, a key's id, the name of a user or group."""

    scope: str
    subject: str
    period: str
    limit_usd: Decimal
    hard: bool = True
    cheaper_model: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget with what its present period has spent; `name` says whose it is as people know it."""

    budget: Budget
    name: str
    starts_at: datetime
    renews_at: datetime | None
    spent_usd: Decimal
    reserved_usd: Decimal
    alerts: tuple[BudgetAlert, ...] = ()

    @property
    def left_usd(self) -> Decimal:
        return max(Decimal(0), self.budget.limit_usd - self.spent_usd - self.reserved_usd)


def starts_at(period: str, now: datetime) -> datetime:
    """Tell when the present day, week (from Monday), month or total began."""
    if period == "total":
        return _BEGINNING
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def renews_at(period: str, now: datetime) -> datetime | None:
    """Tell when the next one begins; None: never."""
    if period == "total":
        return None
    start = starts_at(period, now)
    following = start + timedelta(days={"day": 1, "week": 7, "month": 31}[period])
    return starts_at(period, following)


def period_id(budget_id: UUID, period: str, now: datetime) -> UUID:
    """Name the period that this moment is in."""
    return uuid5(budget_id, starts_at(period, now).isoformat())


def new_period(budget_id: UUID, period: str, now: datetime) -> BudgetPeriod:
    """Make the row of the present period, with nothing spent."""
    nothing = Decimal(0)
    id_, start = period_id(budget_id, period, now), starts_at(period, now)
    return BudgetPeriod(id=id_, budget_id=budget_id, starts_at=start, settled_usd=nothing, reserved_usd=nothing)


# SQL: the budget limits a call of the reader over the corpora that `whose` names. It is built once: every call asks it.
APPLYING = or_(
    Budget.scope == "deployment",
    and_(Budget.scope == "user", Budget.subject == bindparam("of_user")),
    and_(Budget.scope == "key", Budget.subject == bindparam("of_key")),
    and_(Budget.scope == "group", Budget.subject.in_(bindparam("of_groups", expanding=True))),
    and_(Budget.scope == SESSION, Budget.subject == bindparam("of_session")),
    Budget.corpus_id.in_(
        select(Corpus.id).where(Corpus.name.in_(bindparam("of_corpora", expanding=True)), Corpus.deleted_at.is_(None))
    ),
)


def whose(reader: Reader, corpora: Iterable[str]) -> dict[str, Any]:
    """Give the parameters of `APPLYING`."""
    return {
        "of_user": reader.user,
        "of_key": str(reader.key_id or ""),
        "of_groups": sorted(reader.groups),
        "of_session": reader.session,
        "of_corpora": sorted(corpora),
    }


def set_budget(database: Database, session: Session, reader: Reader, wish: Wish) -> Standing:
    """Make a budget or change the one of the same subject and period; what its period has spent already counts.

    Raises InvalidRequest or NotFound when there is no such subject.
    """
    database.lock(session, LOCK)  # calls that are opened meanwhile would be counted twice, or not at all
    now = catalog_now(session)
    subject, corpus_id = _subject(session, reader, wish)
    same = (Budget.scope == wish.scope, Budget.subject == subject, Budget.period == wish.period)
    row = session.scalar(select(Budget).where(*same))
    if row is None:
        row = Budget(scope=wish.scope, subject=subject, corpus_id=corpus_id, period=wish.period)
    is_new_limit = row.limit_usd != wish.limit_usd
    row.limit_usd, row.hard, row.cheaper_model = wish.limit_usd, wish.hard, wish.cheaper_model
    session.add(row)
    session.flush()
    period = session.get(BudgetPeriod, period_id(row.id, row.period, now), with_for_update=True)
    if period is None:
        period = new_period(row.id, row.period, now)
        session.add(period)
        session.flush()
        _count_what_was_spent(session, row, period)
    if is_new_limit:
        raise_reached(session, period, row.limit_usd)
    session.flush()
    return next(standing for standing in _standings(session, Budget.id == row.id))


def add_session_budget(session: Session, begun: WidgetSession) -> None:
    """Hold a widget's new session to its limit."""
    if begun.limit_usd is not None:
        session.add(
            Budget(
                scope=SESSION, subject=begun.sha256.hex(), period="total", limit_usd=begun.limit_usd, hard=True
            )
        )  # fmt: skip


def drop_session_budgets(session: Session, before: datetime) -> None:
    """Forget the limits of sessions that ended long ago."""
    session.execute(delete(Budget).where(Budget.scope == SESSION, Budget.created_at < before))


def remove_budget(session: Session, budget_id: UUID) -> Budget:
    """Remove a budget with what it has counted, or raise NotFound; the ledger keeps every call."""
    row = session.get(Budget, budget_id)
    if row is None or row.scope == SESSION:
        raise NotFound(f"There is no budget {budget_id}.", "GET /v1/budgets lists them.")
    session.execute(delete(Budget).where(Budget.id == budget_id))
    return row


def standings(session: Session, reader: Reader) -> list[Standing]:
    """List every budget for admins and finance, and for others those of their own name, key and groups."""
    if reader.sees_all_costs:
        return _standings(session, Budget.scope != SESSION)
    own = and_(APPLYING, Budget.scope.in_(("user", "key", "group")))
    return _standings(session, own, whose(reader, ()))


def _standings(session: Session, which: ColumnElement[bool], values: Mapping[str, Any] | None = None) -> list[Standing]:
    now = catalog_now(session)
    found = select(Budget).where(which).order_by(Budget.scope, Budget.subject, Budget.period)
    budgets = session.scalars(found, values).all()
    ids = {budget.id: period_id(budget.id, budget.period, now) for budget in budgets}
    periods = {p.id: p for p in session.scalars(select(BudgetPeriod).where(BudgetPeriod.id.in_(ids.values())))}
    alerts = select(BudgetAlert).where(BudgetAlert.period_id.in_(ids.values())).order_by(BudgetAlert.percent)
    raised = session.scalars(alerts).all()
    names = _names(session, budgets)
    return [
        Standing(
            budget=budget,
            name=names.get(budget.subject, budget.subject),
            starts_at=starts_at(budget.period, now),
            renews_at=renews_at(budget.period, now),
            spent_usd=period.settled_usd if period else Decimal(0),
            reserved_usd=period.reserved_usd if period else Decimal(0),
            alerts=tuple(alert for alert in raised if alert.period_id == ids[budget.id]),
        )
        for budget in budgets
        for period in (periods.get(ids[budget.id]),)
    ]


def _names(session: Session, budgets: Iterable[Budget]) -> dict[str, str]:
    corpora = [budget.corpus_id for budget in budgets if budget.corpus_id is not None]
    keys = [UUID(budget.subject) for budget in budgets if budget.scope == "key"]
    found = {
        str(row.id): row.name
        for row in session.execute(select(Corpus.id, Corpus.name).where(Corpus.id.in_(corpora)))
    }  # fmt: skip
    named = session.execute(select(ApiKey.id, ApiKey.name, ApiKey.prefix).where(ApiKey.id.in_(keys)))
    return found | {str(row.id): f"{row.name} ({row.prefix}…)" for row in named}


def _subject(session: Session, reader: Reader, wish: Wish) -> tuple[str, UUID | None]:
    subject = wish.subject.strip()
    if wish.scope == "deployment":
        if subject:
            raise InvalidRequest("The deployment's budget has no subject.", "Leave the subject out, or name a scope.")
        return "", None
    if not subject:
        raise InvalidRequest(f"A budget of a {wish.scope} needs to say whose it is.", "Give the subject.")
    if wish.scope == "corpus":
        corpus = find_corpus(session, reader, subject, "against_changes")
        return str(corpus.id), corpus.id
    if wish.scope == "key":
        return str(_key(session, subject)), None
    fits = is_user(subject) if wish.scope == "user" else is_group(subject)
    if not fits:
        raise InvalidRequest(
            f"{subject[:50]!r} is not the name of a {wish.scope}.",
            "Everyone together is the scope 'deployment'; a single person is the scope 'user'.",
        )
    return subject, None


def _key(session: Session, subject: str) -> UUID:
    try:
        key_id = UUID(subject)
    except ValueError as error:
        raise InvalidRequest(f"{subject[:50]!r} is not a key's id.", "'moat key list' shows the ids.") from error
    if session.get(ApiKey, key_id) is None:
        raise NotFound(f"There is no key {key_id}.", "GET /v1/keys lists them.")
    return key_id


def _count_what_was_spent(session: Session, budget: Budget, period: BudgetPeriod) -> None:
    """Take over the calls that this period has seen already; those without an end are charged when it comes."""
    own = and_(CallRow.opened_at >= period.starts_at, _calls_of(session, budget))
    unsettled = and_(CallRow.status.in_(("open", "presumed")), own)
    # Held until the commit: one that ended in between would find nothing to be charged to.
    session.execute(select(CallRow.id).where(unsettled).order_by(CallRow.id).with_for_update())
    charges = select(CallRow.id, literal(period.id, Uuid())).where(unsettled)
    session.execute(insert(BudgetCharge).from_select(["call_id", "period_id"], charges))
    is_open = CallRow.status == "open"
    for open_ones, amount in session.execute(select(is_open, func.sum(CallRow.cost_usd)).where(own).group_by(is_open)):
        if open_ones:
            period.reserved_usd = amount
        else:
            period.settled_usd = amount


def _calls_of(session: Session, budget: Budget) -> ColumnElement[bool]:
    """SQL: the row of `calls` is of this budget's subject."""
    match budget.scope:
        case "user":
            return CallRow.user == budget.subject
        case "key":
            return CallRow.key_id == UUID(budget.subject)
        case "group":
            return _among(session, CallRow.groups, budget.subject)
        case "corpus":
            return _among(session, CallRow.corpora, session.get_one(Corpus, budget.corpus_id).name)
    return literal(True)


def _among(session: Session, names: object, name: str) -> ColumnElement[bool]:
    each = func.json_each if session.get_bind().dialect.name == "sqlite" else func.json_array_elements_text
    item = each(names).table_valued("value")
    return exists(select(1).select_from(item).where(item.c.value == name))
