"""Works out every call's cost anew: by the prices it was billed by, which must give the same, and by today's."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.costs import within
from moat.errors import NotFound, UnpricedModel
from moat.llm.price_book import bill_again, find
from moat.llm.price_list import sheet_of
from moat.llm.prices import PriceSheet
from moat.records import Reader
from moat.settings import Settings
from moat.tables import CallRow

MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Differing:
    """A call that costs something else by its own prices and its own usage."""

    call_id: UUID
    model: str
    booked_usd: Decimal
    again_usd: Decimal
    why: str = ""


@dataclass(slots=True)
class ByModel:
    """The calls of one model: as booked, and as today's prices would bill them."""

    model: str
    calls: int = 0
    booked_usd: Decimal = Decimal(0)
    today_usd: Decimal | None = Decimal(0)  # None: it has no price today


@dataclass(slots=True)
class Repriced:
    """`equal` calls came out bit for bit; `unknown` were made before prices were kept, and are taken as booked."""

    calls: int = 0
    equal: int = 0
    unknown: int = 0
    differing: int = 0
    shown: list[Differing] = field(default_factory=list)  # the first of those that differ
    models: dict[str, ByModel] = field(default_factory=dict)


def reprice(
    session: Session,
    reader: Reader,
    settings: Settings,
    frm: datetime | None = None,
    to: datetime | None = None,
) -> Repriced:
    """Price the calls opened in [frm, to) that this reader may see, by their own price sheets and by today's."""
    result = Repriced()
    kept: dict[str, PriceSheet | None] = {}
    today: dict[str, PriceSheet | None] = {}
    rows = select(CallRow).where(*within(reader, frm, to)).order_by(CallRow.opened_at)
    for row in session.scalars(rows.execution_options(yield_per=500)):
        if row.price_version not in kept:
            kept[row.price_version] = _kept(session, row.price_version)
        name = f"{row.provider}/{row.model}"
        if name not in today:
            today[name] = _today(settings, row.provider, row.model)
        _take(session, result, row, name, kept[row.price_version], today[name])
    return result


def _take(
    session: Session, result: Repriced, row: CallRow, name: str, own: PriceSheet | None, today: PriceSheet | None
) -> None:
    result.calls += 1
    line = result.models.setdefault(name, ByModel(name))
    line.calls += 1
    line.booked_usd += row.cost_usd
    if own is None:
        result.unknown += 1
    else:
        bill = bill_again(session, row, own)
        if bill.cost_usd == row.cost_usd:
            result.equal += 1
        else:
            result.differing += 1
            if len(result.shown) < MOST_SHOWN:
                why = "; ".join(bill.flags)
                result.shown.append(Differing(row.id, name, row.cost_usd, bill.cost_usd, why))
    if today is None:
        line.today_usd = None
    elif line.today_usd is not None:
        line.today_usd += row.cost_usd if own is None else bill_again(session, row, today).cost_usd


def _kept(session: Session, version: str) -> PriceSheet | None:
    try:
        return find(session, version)
    except NotFound:
        return None


def _today(settings: Settings, provider: str, model: str) -> PriceSheet | None:
    server, known = settings.providers.get(provider), settings.models.get(f"{provider}/{model}")
    if server is None or known is None:
        return None
    try:
        return sheet_of(provider, model, server, known)
    except UnpricedModel:
        return None
