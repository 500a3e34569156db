"""Routes that look ahead, and that check the ledger: against providers' bills, and against its own prices."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query

from answering.body import dollars
from moat.forecast import Period, forecast
from moat.reconcile import Compared, reconcile
from moat.reprice import ByModel, reprice
from moat.tables import utc_now
from moat.usage_exports import read_export
from services.admin.cost_schemas import (
    ComparedShape,
    DifferingShape,
    ForecastShape,
    ReasonShape,
    ReconcileBody,
    ReconciledShape,
    RepricedModelShape,
    RepricedShape,
)
from services.dependencies import Finance, PartsOf, SeeingCosts
from services.schemas import Moment

router = APIRouter(prefix="/v1/costs", tags=["costs"])


@router.get("/forecast")
def get_forecast(reader: SeeingCosts, parts: PartsOf, period: Period = "month") -> ForecastShape:
    """Say what will have been spent at the end of this day, week or month: admins for all, others for themselves."""
    with parts.database.reading() as session:
        found = forecast(session, reader, period, utc_now())
    return ForecastShape(
        starts_at=found.starts_at,
        ends_at=found.ends_at,
        spent_usd=dollars(found.spent_usd),
        daily_usd=dollars(found.daily_usd),
        days_seen=found.days_seen,
        expected_usd=dollars(found.expected_usd),
    )


@router.post("/reconcile")
def post_reconcile(body: ReconcileBody, reader: Finance, parts: PartsOf) -> ReconciledShape:
    """Compare a provider's export with the ledger by day and model, and explain each difference."""
    export = read_export(body.csv)
    with parts.database.reading() as session:
        lines = reconcile(session, export, body.provider, body.within_usd)
    days = [line.day for line in lines]
    booked = sum((line.booked.cost_usd for line in lines if line.booked), Decimal(0))
    known = all(line.billed is None or line.billed.cost_usd is not None for line in lines)
    billed = sum((line.billed.cost_usd or Decimal(0) for line in lines if line.billed), Decimal(0)) if known else None
    return ReconciledShape(
        shape=export.shape,
        provider=body.provider or export.provider,
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        lines=[_compared(line) for line in lines],
        booked_usd=dollars(booked),
        billed_usd=_dollars(billed),
        difference_usd=_dollars(None if billed is None else booked - billed),
    )


def _compared(line: Compared) -> ComparedShape:
    booked, billed = line.booked, line.billed
    return ComparedShape(
        day=line.day,
        model=line.model,
        booked_usd=dollars(booked.cost_usd if booked else Decimal(0)),
        billed_usd=_dollars(billed.cost_usd if billed else Decimal(0)),
        difference_usd=_dollars(line.difference_usd),
        booked_tokens=booked.tokens if booked else 0,
        billed_tokens=billed.tokens if billed else 0,
        difference_tokens=line.difference_tokens,
        calls=booked.calls if booked else 0,
        requests=billed.requests if billed else 0,
        presumed=booked.presumed if booked else 0,
        estimated=booked.estimated if booked else 0,
        price_versions=sorted(booked.price_versions) if booked else [],
        reasons=[ReasonShape(reason=reason.reason, usd=dollars(reason.usd)) for reason in line.reasons],
        detail=line.detail,
    )


@router.get("/reprice")
def get_reprice(
    reader: Finance,
    parts: PartsOf,
    frm: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
) -> RepricedShape:
    """Work out every call's cost anew: by the prices it was billed by, and by today's."""
    with parts.database.reading() as session:
        found = reprice(session, reader, parts.settings, frm, to)
    return RepricedShape(
        calls=found.calls,
        equal=found.equal,
        unknown=found.unknown,
        differing=found.differing,
        differing_calls=[
            DifferingShape(
                id=call.call_id,
                model=call.model,
                booked_usd=dollars(call.booked_usd),
                again_usd=dollars(call.again_usd),
                why=call.why,
            )
            for call in found.shown
        ],
        models=[_model(found.models[name]) for name in sorted(found.models)],
    )


def _model(line: ByModel) -> RepricedModelShape:
    change = None if line.today_usd is None else line.today_usd - line.booked_usd
    return RepricedModelShape(
        model=line.model,
        calls=line.calls,
        booked_usd=dollars(line.booked_usd),
        today_usd=_dollars(line.today_usd),
        change_usd=_dollars(change),
    )


def _dollars(amount: Decimal | None) -> str | None:
    return None if amount is None else dollars(amount)
