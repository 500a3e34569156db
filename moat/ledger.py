"""What every paid call cost: a row opened before the call, closed after it, and never deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moat.database import Database
from moat.records import Call, Cost, Reader, Usage
from moat.tables import CallRow, utc_now

Status = Literal["ok", "failed", "cancelled", "presumed"]


@dataclass(frozen=True, slots=True)
class CallContext:
    """On whose behalf a call is made; `corpora` by name, so that the ledger outlives them."""

    answer_id: UUID | None
    reader: Reader
    corpora: tuple[str, ...] = ()
    kind: str = "answer"


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
) -> UUID:
    """Commit the row of a call about to be made; until settled it counts as its ceiling, the most it can cost."""
    now = utc_now()
    row = CallRow(
        id=uuid4(),
        answer_id=context.answer_id,
        user=context.reader.user,
        key_id=context.reader.key_id,
        corpora=list(context.corpora),
        kind=context.kind,
        provider=provider,
        model=model,
        attempt=attempt,
        status="open",
        ceiling_usd=ceiling_usd,
        cost_usd=ceiling_usd,
        price_version=price_version,
        opened_at=now,
        expires_at=now + lasts_at_most,
    )
    with database.transaction() as session:
        session.add(row)
    return row.id


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
    """Close a call with what it did cost; the truth replaces a presumed cost, whenever it comes."""
    with database.transaction() as session:
        session.execute(
            update(CallRow)
            .where(CallRow.id == call_id, CallRow.status.in_(("open", "presumed")))
            .values(
                status=status,
                cost_usd=cost_usd,
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_input_tokens,
                output_tokens=usage.output_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                usage="reported" if usage.reported else "estimated",
                raw_usage=dict(usage.raw),
                model_returned=model_returned,
                request_id=request_id,
                flags=list(flags),
                closed_at=utc_now(),
            )
        )


def presume(database: Database, call_id: UUID, usage: Usage) -> None:
    """Close a call whose bill never came, at its ceiling."""
    with database.transaction() as session:
        row = session.get_one(CallRow, call_id)
        cost_usd = row.ceiling_usd
    settle(database, call_id, usage=usage, cost_usd=cost_usd, status="presumed")


def expire_open(database: Database, now: datetime) -> int:
    """Close, at their ceiling, the calls whose process died before it could settle them; gives how many."""
    with database.transaction() as session:
        expired = session.scalars(
            update(CallRow)
            .where(CallRow.status == "open", CallRow.expires_at < now)
            .values(status="presumed", cost_usd=CallRow.ceiling_usd, usage="estimated", closed_at=now)
            .returning(CallRow.id)
        )
        return len(expired.all())


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
