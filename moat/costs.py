"""What was spent, summed from the ledger for whoever asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from moat.access import readable_corpora
from moat.errors import InvalidRequest
from moat.names import WIDGET_PREFIX
from moat.records import Reader
from moat.tables import ApiKey, CallRow

GROUPS = ("day", "model", "corpus", "user", "key", "kind", "outcome")
WIDGET, SIGNED_IN = "widget", "signed in"  # what stands for a key where none was used
NOT_READABLE = "(not readable)"
# Outcomes of what was called for no answer, such as ingestion, and for one still being made, or long gone.
NO_ANSWER, NOT_CONCLUDED = "no answer", "not concluded"
_READ = (
    CallRow.answer_id, CallRow.opened_at, CallRow.provider, CallRow.model, CallRow.corpora, CallRow.user,
    CallRow.key_id, CallRow.kind, CallRow.outcome, CallRow.input_tokens, CallRow.cached_tokens, CallRow.output_tokens,
    CallRow.reasoning_tokens, CallRow.cost_usd,
)  # fmt: skip
Call = Row[*tuple[Any, ...]]


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


def within(reader: Reader, frm: datetime | None = None, to: datetime | None = None) -> tuple[ColumnElement[bool], ...]:
    """SQL: the row of `calls` was opened in [frm, to), and this reader may see it: their own or, with finance, all."""
    return (
        *(() if reader.sees_all_costs else (CallRow.user == reader.user,)),
        *(() if frm is None else (CallRow.opened_at >= frm,)),
        *(() if to is None else (CallRow.opened_at < to,)),
    )


def total_usd(session: Session, reader: Reader, frm: datetime | None = None, to: datetime | None = None) -> Decimal:
    """Add up all calls that this reader may see, in SQL."""
    total = session.scalar(select(func.sum(CallRow.cost_usd)).where(*within(reader, frm, to)))
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

    Admins and finance see every call, others their own. A call over several corpora stands whole under "a + b", so
    that the lines always add up to the ledger; what others may not read has no name there. Raises InvalidRequest for
    an unknown group.
    """
    unknown = [name for name in group_by if name not in GROUPS]
    if unknown:
        raise InvalidRequest(f"Costs cannot be grouped by {unknown[0]!r}.", f"Group by {', '.join(GROUPS)}.")
    statement = select(*_READ).where(*within(reader, frm, to))
    keys = {
        row.id: f"{row.name} ({row.prefix}…)" for row in session.execute(select(ApiKey.id, ApiKey.name, ApiKey.prefix))
    }
    labels = _labels(keys, corpora_as_shown_to(session, reader))
    lines: dict[tuple[str, ...], CostLine] = {}
    # Grouped here rather than in SQL: no two databases cut a time into days or compare JSON lists alike.
    for row in session.execute(statement.execution_options(yield_per=1000)):
        group = tuple(labels[name](row) for name in group_by)
        lines[group] = _plus(lines.get(group, CostLine(group, 0, 0, 0, 0, 0, Decimal(0))), row)
    return [lines[group] for group in sorted(lines)]


def corpora_as_shown_to(session: Session, reader: Reader) -> Callable[[Sequence[str]], list[str]]:
    """Give what names the corpora of a call: each once, and none that this reader may not read."""
    readable = None if reader.sees_all_costs else {corpus.name for corpus in readable_corpora(session, reader)}

    def named(corpora: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(c if readable is None or c in readable else NOT_READABLE for c in corpora))

    return named


def _labels(keys: dict[UUID, str], named: Callable[[Sequence[str]], list[str]]) -> dict[str, Callable[[Call], str]]:
    return {
        "day": lambda row: row.opened_at.date().isoformat(),
        "model": lambda row: f"{row.provider}/{row.model}",
        "corpus": lambda row: " + ".join(named(row.corpora)),
        "user": lambda row: row.user,
        "key": lambda row: _without_key(row) if row.key_id is None else keys.get(row.key_id, str(row.key_id)),
        "kind": lambda row: row.kind,
        "outcome": lambda row: row.outcome or (NO_ANSWER if row.answer_id is None else NOT_CONCLUDED),
    }


def _without_key(row: Call) -> str:
    return WIDGET if row.user.startswith(WIDGET_PREFIX) else SIGNED_IN


def _plus(line: CostLine, row: Call) -> CostLine:
    return CostLine(
        group=line.group,
        calls=line.calls + 1,
        input_tokens=line.input_tokens + row.input_tokens,
        cached_tokens=line.cached_tokens + row.cached_tokens,
        output_tokens=line.output_tokens + row.output_tokens,
        reasoning_tokens=line.reasoning_tokens + row.reasoning_tokens,
        cost_usd=line.cost_usd + row.cost_usd,
    )
