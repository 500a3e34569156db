"""What was spent, summed from the ledger for whoever asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moat.access import readable_corpora
from moat.errors import InvalidRequest
from moat.names import WIDGET_PREFIX
from moat.records import Reader
from moat.tables import ApiKey, CallRow

GROUPS = ("day", "model", "corpus", "user", "key", "kind")
WIDGET, SIGNED_IN = "widget", "signed in"  # what stands for a key where none was used
NOT_READABLE = "(not readable)"


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
    labels = _labels(keys, corpora_as_shown_to(session, reader))
    lines: dict[tuple[str, ...], CostLine] = {}
    # Grouped here rather than in SQL: no two databases cut a time into days or compare JSON lists alike.
    for row in session.scalars(statement.execution_options(yield_per=1000)):
        group = tuple(labels[name](row) for name in group_by)
        lines[group] = _plus(lines.get(group, CostLine(group, 0, 0, 0, 0, 0, Decimal(0))), row)
    return [lines[group] for group in sorted(lines)]


def corpora_as_shown_to(session: Session, reader: Reader) -> Callable[[Sequence[str]], list[str]]:
    """Give what names the corpora of a call: each once, and none that this reader may not read."""
    readable = None if reader.is_admin else {corpus.name for corpus in readable_corpora(session, reader)}

    def named(corpora: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(c if readable is None or c in readable else NOT_READABLE for c in corpora))

    return named


def _labels(keys: dict[UUID, str], named: Callable[[Sequence[str]], list[str]]) -> dict[str, Callable[[CallRow], str]]:
    return {
        "day": lambda row: row.opened_at.date().isoformat(),
        "model": lambda row: f"{row.provider}/{row.model}",
        "corpus": lambda row: " + ".join(named(row.corpora)),
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
