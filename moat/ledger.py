"""What every paid call cost: a row opened before the call, closed after it, and never deleted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moat.access import readable_corpora
from moat.database import Database
from moat.errors import InvalidRequest
from moat.names import WIDGET_PREFIX
from moat.records import Call, Cost, Reader, Usage
from moat.tables import ApiKey, CallRow, utc_now

Status = Literal["ok", "failed", "cancelled", "presumed"]
GROUPS = ("day", "model", "corpus", "user", "key", "kind")
WIDGET, SIGNED_IN = "widget", "signed in"  # what stands for a key where none was used
NOT_READABLE = "(not readable)"


@dataclass(frozen=True, slots=True)
class CallContext:
    """On whose behalf a call is made; `corpora` by name, so that the ledger outlives them."""

    answer_id: UUID | None
    reader: Reader
    corpora: tuple[str, ...] = ()
    kind: str = "answer"


@dataclass(frozen=True, slots=True)
class CostLine:
    """The sums of one group of calls; `group` holds one label for each name asked for, in that order."""

    group: tuple[str, ...]
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal


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


def total_usd(session: Session, reader: Reader) -> Decimal:
    """Add up all calls that this reader may see, in SQL."""
    statement = select(func.sum(CallRow.cost_usd))
    total = session.scalar(statement if reader.is_admin else statement.where(CallRow.user == reader.user))
    return Decimal(0) if total is None else total


def costs(
    session: Session,
    reader: Reader,
    *,
    frm: datetime | None = None,
    to: datetime | None = None,
    group_by: Sequence[str] = ("day",),
) -> list[CostLine]:
    """Sum the calls opened in [frm, to) by any of GROUPS, in the order of their labels.

    An admin sees every call, others their own. A call over several corpora stands whole under "a + b", so that the
    lines always add up to the ledger; what a reader may not read has no name there. Raises InvalidRequest for an
    unknown group.
    """
    unknown = [name for name in group_by if name not in GROUPS]
    if unknown:
        raise InvalidRequest(f"Costs cannot be grouped by {unknown[0]!r}.", f"Group by {', '.join(GROUPS)}.")
    statement = select(CallRow)
    if not reader.is_admin:
        statement = statement.where(CallRow.user == reader.user)
    if frm is not None:
        statement = statement.where(CallRow.opened_at >= frm)
    if to is not None:
        statement = statement.where(CallRow.opened_at < to)
    keys = {
        row.id: f"{row.name} ({row.prefix}…)" for row in session.execute(select(ApiKey.id, ApiKey.name, ApiKey.prefix))
    }
    readable = None if reader.is_admin else {corpus.name for corpus in readable_corpora(session, reader)}
    labels = _labels(keys, readable)
    lines: dict[tuple[str, ...], CostLine] = {}
    # Grouped here rather than in SQL: no two databases cut a time into days or compare JSON lists alike.
    for row in session.scalars(statement.execution_options(yield_per=1000)):
        group = tuple(labels[name](row) for name in group_by)
        lines[group] = _plus(lines.get(group, CostLine(group, 0, 0, 0, 0, 0, Decimal(0))), row)
    return [lines[group] for group in sorted(lines)]


def _labels(keys: dict[UUID, str], readable: set[str] | None) -> dict[str, Callable[[CallRow], str]]:
    def named(corpora: list[str]) -> str:
        shown = (name if readable is None or name in readable else NOT_READABLE for name in corpora)
        return " + ".join(dict.fromkeys(shown))

    return {
        "day": lambda row: row.opened_at.date().isoformat(),
        "model": lambda row: f"{row.provider}/{row.model}",
        "corpus": lambda row: named(row.corpora),
        "user": lambda row: row.user,
        "key": lambda row: _without_key(row) if row.key_id is None else keys.get(row.key_id, str(row.key_id)),
        "kind": lambda row: row.kind,
    }


def _without_key(row: CallRow) -> str:
    return WIDGET if row.user.startswith(WIDGET_PREFIX) else SIGNED_IN


def _plus(line: CostLine, row: CallRow) -> CostLine:
    return CostLine(
        group=line.group,
        calls=line.calls + 1,
        input_tokens=line.input_tokens + row.input_tokens,
        cached_tokens=line.cached_tokens + row.cached_tokens,
        output_tokens=line.output_tokens + row.output_tokens,
        reasoning_tokens=line.reasoning_tokens + row.reasoning_tokens,
        cost_usd=line.cost_usd + row.cost_usd,
    )


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
