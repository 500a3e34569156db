"""What every paid call cost: a row opened before the call, closed after it, and never deleted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast
from uuid import UUID, uuid4

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from moat import reservations
from moat.database import Database, catalog_now
from moat.errors import BudgetExceeded, CallTooDear, ModelNotAllowed
from moat.records import Call, Cost, Reader, Usage
from moat.reservations import Turn, UnknownPeriods, Wanted
from moat.tables import CallRow

Status = Literal["ok", "failed", "cancelled", "presumed"]
POLL_S = 0.05
_EXPIRED_AT_ONCE = 500
# Built once, as every call asks them.
_CALLS = cast(Table, CallRow.__table__)
_INSERT = insert(_CALLS)
# One statement tells whether a call was in a state, and ends it; both states count as the ceiling.
_END = (
    update(_CALLS)
    .where(_CALLS.c.id == bindparam("of_call"), _CALLS.c.status == bindparam("in_state"))
    .returning(_CALLS.c.ceiling_usd, _CALLS.c.cost_usd)
)


@dataclass(frozen=True, slots=True)
class CallContext:
    """On whose behalf a call is made; `corpora` by name, so that the ledger outlives them."""

    answer_id: UUID | None
    reader: Reader
    corpora: tuple[str, ...] = ()
    kind: str = "answer"
    document_id: UUID | None = None  # whose ingestion needs it
    most_usd: Decimal | None = None  # what all calls of its answer may cost together
    beside: tuple[str, ...] = ()  # corpora that must allow it too, though no text of theirs is sent


@dataclass(frozen=True, slots=True)
class Opening:
    """A call about to be made, with the most that it can cost; `may` raises ModelNotAllowed where it may not be."""

    context: CallContext
    provider: str
    model: str
    attempt: int
    ceiling_usd: Decimal
    price_version: str
    lasts_at_most: timedelta
    call_id: UUID = field(default_factory=uuid4)
    may: Callable[[Session], None] | None = None


def open_call(
    database: Database,
    context: CallContext,
    *,
    provider: str,
    model: str,
    attempt: int,
    ceiling_usd: Decimal,
    price_version: str,
    lasts_at_most: timedelta,
    wait_s: float = 0,
) -> UUID:
    """Commit the row of a call about to be made; until settled it counts as its ceiling, the most it can cost.

    It waits in its own thread, in order, while only other calls under way are in its way, up to `wait_s`. Raises
    BudgetExceeded when a budget has no room for it, CallTooDear where its answer was not to cost so much.
    """
    opening = Opening(context, provider, model, attempt, ceiling_usd, price_version, lasts_at_most)
    line, deadline = opening.call_id, time.monotonic() + wait_s
    turn = try_open(database, opening, line)
    while turn is not None:
        if time.monotonic() >= deadline:
            reservations.leave(database, opening.call_id)
            raise turn.refusal
        time.sleep(POLL_S)
        reservations.stay(database, line)
        turn = try_open(database, opening, line, turn)
    return opening.call_id


def try_open(database: Database, opening: Opening, line: UUID, turn: Turn | None = None) -> Turn | None:
    """Open a call where every budget has room for it, or give its place in the line.

    Raises BudgetExceeded, CallTooDear and ModelNotAllowed; then it has no place any more.
    """
    context = opening.context
    wanted = Wanted(opening.call_id, context.reader, context.corpora, opening.ceiling_usd, line)
    while True:
        try:
            with database.transaction() as session:
                if opening.may is not None:
                    opening.may(session)
                _check_allowance(session, opening)
                found = reservations.reserve(database, session, wanted, turn)
                if found is None:
                    session.connection().execute(_INSERT, _row(opening, catalog_now(session)))
        except UnknownPeriods as unknown:
            reservations.make_periods(database, unknown.periods)
            continue
        except (CallTooDear, ModelNotAllowed):
            if turn is not None:
                reservations.leave(database, opening.call_id)
            raise
        if isinstance(found, BudgetExceeded):
            raise found
        return found


def settle(
    database: Database,
    call_id: UUID,
    *,
    usage: Usage,
    cost_usd: Decimal,
    status: Status,
    model_returned: str = "",
    request_id: str = "",
    flags: Sequence[str] = (),
) -> None:
    """Close a call with what it did cost; the truth replaces a presumed cost, whenever it comes.

    It does not wait for the disk: if the machine loses it, the call is open again and ends at its ceiling, flagged.
    """
    with database.transaction(hasty=True) as session:
        told = {"model_returned": model_returned, "request_id": request_id, "flags": list(flags)}
        _close(database, session, call_id, usage, cost_usd, status, told=told)


def presume(database: Database, call_id: UUID, usage: Usage) -> None:
    """Close a call whose bill never came, at its ceiling."""
    with database.transaction(hasty=True) as session:
        _close(database, session, call_id, usage, None, "presumed")


def expire_open(database: Database) -> int:
    """Close, at their ceiling, the calls whose process died before it could settle them; gives how many."""
    with database.reading() as session:
        expired = (CallRow.status == "open", CallRow.expires_at < catalog_now(session))
        found = session.scalars(select(CallRow.id).where(*expired).limit(_EXPIRED_AT_ONCE)).all()
    unknown = Usage(reported=False)
    closed = 0
    for call_id in found:  # each by itself: budgets are locked in one order for one call
        with database.transaction(hasty=True) as session:
            closed += _close(database, session, call_id, unknown, None, "presumed", only=("open",))
    return closed


def _check_allowance(session: Session, opening: Opening) -> None:
    """Raise CallTooDear where this call and those made before it for the same answer can cost more than allowed."""
    most_usd, answer_id = opening.context.most_usd, opening.context.answer_id
    if most_usd is None or answer_id is None:
        return
    # In Python: SQLite's sum of whole numbers loses its type where there are none.
    made_usd = sum(session.scalars(select(CallRow.cost_usd).where(CallRow.answer_id == answer_id)), Decimal(0))
    if made_usd + opening.ceiling_usd > most_usd:
        so_far = f" after ${made_usd.normalize():f} for the calls before it" if made_usd else ""
        raise CallTooDear(
            f"A call of {opening.model} can cost up to ${opening.ceiling_usd.normalize():f}{so_far}, "
            f"and max_cost_usd is ${most_usd.normalize():f}.",
            "Allow more, or name a cheaper model; dry_run tells the range.",
        )


def _row(opening: Opening, now: datetime) -> dict[str, Any]:
    context = opening.context
    return {
        "id": opening.call_id,
        "answer_id": context.answer_id,
        "document_id": context.document_id,
        "user": context.reader.user,
        "key_id": context.reader.key_id,
        "groups": sorted(context.reader.groups),
        "corpora": list(context.corpora),
        "kind": context.kind,
        "provider": opening.provider,
        "model": opening.model,
        "attempt": opening.attempt,
        "status": "open",
        "ceiling_usd": opening.ceiling_usd,
        "cost_usd": opening.ceiling_usd,
        "price_version": opening.price_version,
        "opened_at": now,
        "expires_at": now + opening.lasts_at_most,
    }


def _close(
    database: Database,
    session: Session,
    call_id: UUID,
    usage: Usage,
    cost_usd: Decimal | None,
    status: Status,
    only: tuple[str, ...] = ("open", "presumed"),
    told: Mapping[str, Any] | None = None,
) -> bool:
    """Close a call if it is in one of these states, at its ceiling without a cost, and tell its budgets."""
    now = {
        "of_call": call_id,
        "status": status,
        **({} if cost_usd is None else {"cost_usd": cost_usd}),
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage": "reported" if usage.reported else "estimated",
        "raw_usage": dict(usage.raw),
        "closed_at": catalog_now(session),
        **(told or {}),
    }
    for state in only:
        ended = session.connection().execute(_END, {"in_state": state, **now}).one_or_none()
        if ended is not None:
            reserved_usd, settled_usd = -ended.ceiling_usd, ended.cost_usd
            if state == "presumed":  # settled at its ceiling already
                reserved_usd, settled_usd = Decimal(0), ended.cost_usd - ended.ceiling_usd
            reservations.charge(database, session, call_id, reserved_usd=reserved_usd, settled_usd=settled_usd)
            return True
    return False


def note_outcome(session: Session, answer_id: UUID, outcome: str) -> None:
    """Write down how the answer came out that calls were made for: it outlives the answer."""
    session.execute(update(CallRow).where(CallRow.answer_id == answer_id).values(outcome=outcome))


def calls_of(session: Session, answer_id: UUID) -> tuple[Call, ...]:
    """List an answer's calls in the order they were made."""
    rows = session.scalars(
        select(CallRow).where(CallRow.answer_id == answer_id).order_by(CallRow.opened_at, CallRow.attempt)
    )
    return tuple(_call(row) for row in rows)


def cost_of(session: Session, answer_id: UUID) -> Cost:
    """Add up an answer's calls."""
    calls = calls_of(session, answer_id)
    return Cost(total_usd=sum((call.cost_usd for call in calls), Decimal(0)), calls=calls)


def cost_of_documents(session: Session, document_ids: Sequence[UUID]) -> dict[UUID, Decimal]:
    """Add up the calls that each document's indexing has needed; those without any are left out."""
    rows = session.execute(
        select(CallRow.document_id, func.sum(CallRow.cost_usd))
        .where(CallRow.document_id.in_(document_ids))
        .group_by(CallRow.document_id)
    )
    return {id_: cost_usd for id_, cost_usd in rows if id_ is not None}


def _call(row: CallRow) -> Call:
    return Call(
        kind=row.kind,
        provider=row.provider,
        model=row.model,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cost_usd=row.cost_usd,
        usage=cast(Literal["reported", "estimated"], row.usage),
        price_version=row.price_version,
        attempt=row.attempt,
        status=row.status,
    )
