"""Compares what a provider says it billed with the ledger, by day and model, and says where each difference is from."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from moat.tables import CallRow
from moat.usage_exports import ALL_MODELS, Billed, Export

NOT_IN_LEDGER = "missing in the ledger"
NOT_IN_EXPORT = "missing in the export"
PRESUMED, ESTIMATED = "presumed rows", "estimated rows"
PRICE = "price difference"
PRICE_OR_ROWS = "price difference or missing rows"
ROUNDED = "rounding"
_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$")
_ZERO = Decimal(0)


@dataclass(slots=True)
class Booked:
    """One day of one model in the ledger, by how its calls' costs are known."""

    calls: int = 0
    exact_usd: Decimal = _ZERO
    exact_tokens: int = 0
    estimated: int = 0  # calls whose tokens were counted here
    estimated_usd: Decimal = _ZERO
    presumed: int = 0  # calls whose bill never came: at their ceiling
    presumed_usd: Decimal = _ZERO
    unsure_tokens: int = 0
    ceilings_usd: Decimal = _ZERO  # the most that the calls of both kinds can have cost
    price_versions: set[str] = field(default_factory=set)

    @property
    def cost_usd(self) -> Decimal:
        return self.exact_usd + self.unsure_usd

    @property
    def unsure_usd(self) -> Decimal:
        return self.estimated_usd + self.presumed_usd

    @property
    def tokens(self) -> int:
        return self.exact_tokens + self.unsure_tokens

    def take(self, row: Row[*tuple[Any, ...]]) -> None:
        self.calls += 1
        self.price_versions.add(row.price_version)
        tokens = row.input_tokens + row.output_tokens
        if row.status not in ("open", "presumed") and row.usage == "reported":
            self.exact_usd += row.cost_usd
            self.exact_tokens += tokens
            return
        self.unsure_tokens += tokens
        self.ceilings_usd += max(row.ceiling_usd, row.cost_usd)
        if row.status in ("open", "presumed"):
            self.presumed += 1
            self.presumed_usd += row.cost_usd
        else:
            self.estimated += 1
            self.estimated_usd += row.cost_usd


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of a difference; positive dollars were booked and not billed, negative ones billed and not booked."""

    reason: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Compared:
    """One day of one model on both sides. The reasons add up to the difference, where the export has dollars."""

    day: date
    model: str
    booked: Booked | None
    billed: Billed | None
    reasons: tuple[Reason, ...]

    @property
    def difference_usd(self) -> Decimal | None:
        if self.billed is not None and self.billed.cost_usd is None:
            return None
        billed = _ZERO if self.billed is None else self.billed.cost_usd or _ZERO
        return (_ZERO if self.booked is None else self.booked.cost_usd) - billed

    @property
    def difference_tokens(self) -> int | None:
        if self.billed is not None and self.billed.tokens is None:
            return None
        billed = 0 if self.billed is None else self.billed.tokens or 0
        return (0 if self.booked is None else self.booked.tokens) - billed

    @property
    def detail(self) -> str:
        """Say what differs where the export has no dollars."""
        tokens = self.difference_tokens
        if self.difference_usd is not None or not tokens:
            return ""
        if self.booked is None:
            return f"{NOT_IN_LEDGER}: {-tokens:,} tokens"
        unsure = f"{PRESUMED}: {self.booked.presumed}, {ESTIMATED}: {self.booked.estimated}"
        if self.booked.presumed or self.booked.estimated:
            return f"{unsure}, with {self.booked.unsure_tokens:,} tokens as counted here"
        return f"{NOT_IN_EXPORT if tokens > 0 else NOT_IN_LEDGER}: {abs(tokens):,} tokens"


def reconcile(
    session: Session, export: Export, provider: str = "", within_usd: Decimal = _ZERO
) -> tuple[Compared, ...]:
    """Compare the days that the export covers; `provider` names whose calls, by its name in the settings.

    A difference of no more than `within_usd` is put down to rounding.
    """
    if not export.lines:
        return ()
    names = {line.model for line in export.lines}
    booked = _booked(session, export, provider or export.provider, names)
    billed = {(line.day, line.model): line for line in export.lines}
    lines = [_compared(key, booked.get(key), billed.get(key), within_usd) for key in sorted(booked.keys() | billed)]
    # A model that costs nothing is on nobody's bill.
    return tuple(line for line in lines if line.billed is not None or (line.booked and line.booked.cost_usd))


def _booked(session: Session, export: Export, provider: str, names: set[str]) -> dict[tuple[date, str], Booked]:
    days = [line.day for line in export.lines]
    start, end = (datetime.combine(day, time(), UTC) for day in (min(days), max(days) + timedelta(days=1)))
    statement = select(
        CallRow.opened_at, CallRow.provider, CallRow.model, CallRow.model_returned, CallRow.status, CallRow.usage,
        CallRow.input_tokens, CallRow.output_tokens, CallRow.cost_usd, CallRow.ceiling_usd, CallRow.price_version,
    ).where(CallRow.opened_at >= start, CallRow.opened_at < end)  # fmt: skip
    if provider:
        statement = statement.where(CallRow.provider == provider)
    sums: dict[tuple[date, str], Booked] = {}
    for row in session.execute(statement.execution_options(yield_per=1000)):
        key = row.opened_at.astimezone(UTC).date(), _name(row, names)
        sums.setdefault(key, Booked()).take(row)
    return sums


def _name(row: Row[*tuple[Any, ...]], names: set[str]) -> str:
    """Name a call's model as the export does: as returned, as asked, or either without its snapshot's date."""
    if names == {ALL_MODELS}:
        return ALL_MODELS
    own = (row.model_returned, row.model, f"{row.provider}/{row.model}")
    for name in own:
        if name and name in names:
            return name
    bare = {_SNAPSHOT.sub("", name): name for name in sorted(names)}
    for name in own:
        if name and (found := bare.get(_SNAPSHOT.sub("", name))):
            return found
    return str(row.model_returned or row.model)


def _compared(key: tuple[date, str], booked: Booked | None, billed: Billed | None, within_usd: Decimal) -> Compared:
    plain = Compared(*key, booked, billed, ())
    difference = plain.difference_usd
    if difference is None:
        return plain
    if 0 < abs(difference) <= within_usd:
        return Compared(*key, booked, billed, (Reason(ROUNDED, difference),))
    return Compared(*key, booked, billed, tuple(r for r in _reasons(booked, billed, difference) if r.usd))


def _reasons(booked: Booked | None, billed: Billed | None, difference: Decimal) -> Sequence[Reason]:
    if booked is None:
        return (Reason(NOT_IN_LEDGER, difference),)
    if billed is None or billed.cost_usd is None:
        return (Reason(NOT_IN_EXPORT, difference),)
    # What the export leaves for the calls whose true bill is not known here.
    left_usd = billed.cost_usd - booked.exact_usd
    left_tokens = None if billed.tokens is None else billed.tokens - booked.exact_tokens
    unsure_usd = _ZERO
    if booked.presumed or booked.estimated:
        # They cost what is left for them, between nothing and their ceilings; nothing, where no token of theirs is.
        most = _ZERO if left_tokens is not None and left_tokens <= 0 else booked.ceilings_usd
        unsure_usd = booked.unsure_usd - min(max(left_usd, _ZERO), most)
    rest = difference - unsure_usd
    return (*_unsure(booked, unsure_usd), Reason(_rest(rest, left_tokens, booked), rest))


def _unsure(booked: Booked, usd: Decimal) -> Iterable[Reason]:
    """Split between presumed calls, which were booked too high if anything, and estimated ones."""
    presumed = min(max(usd, _ZERO), booked.presumed_usd) if booked.estimated else usd if booked.presumed else _ZERO
    return (Reason(PRESUMED, presumed), Reason(ESTIMATED, usd - presumed))


def _rest(usd: Decimal, left_tokens: int | None, booked: Booked) -> str:
    if left_tokens is None:
        return PRICE_OR_ROWS
    if left_tokens < 0 and usd > 0:
        return NOT_IN_EXPORT
    if left_tokens > 0 and usd < 0 and not (booked.presumed or booked.estimated):
        return NOT_IN_LEDGER
    return PRICE
