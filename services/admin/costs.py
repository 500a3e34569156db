"""Routes of money: what was spent, and what models cost."""

import csv
import io
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from answering.body import dollars
from moat.costs import CostLine, costs
from services.admin.schemas import CostPage, ModelPage, ModelShape
from services.dependencies import Asking, PartsOf, SeeingCosts
from services.schemas import Moment

router = APIRouter(prefix="/v1", tags=["costs"])
_COUNTS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


@router.get("/costs", response_model=CostPage, responses={200: {"content": {"text/csv": {}}}})
def get_costs(
    reader: SeeingCosts,
    parts: PartsOf,
    frm: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    group_by: Annotated[list[str] | None, Query(max_length=7)] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """Sum the ledger: admins and finance see every call, others their own."""
    groups = list(dict.fromkeys(group_by or ["day"]))
    with parts.database.reading() as session:
        lines = costs(session, reader, frm=frm, to=to, group_by=groups)
    items = [_item(groups, line) for line in lines]
    if format == "csv":
        return PlainTextResponse(_csv(groups, items), media_type="text/csv")
    total = sum((line.cost_usd for line in lines), Decimal(0))
    return JSONResponse({"items": items, "total_usd": dollars(total)})


def _item(groups: list[str], line: CostLine) -> dict[str, str | int]:
    counts = {name: getattr(line, name) for name in _COUNTS}
    return {**dict(zip(groups, line.group, strict=True)), **counts, "cost_usd": dollars(line.cost_usd)}


def _csv(groups: list[str], items: list[dict[str, str | int]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, [*groups, *_COUNTS, "cost_usd"])
    writer.writeheader()
    writer.writerows({k: _plain(v) for k, v in item.items()} for item in items)
    return out.getvalue()


def _plain(value: str | int) -> str | int:
    """Keep a spreadsheet from reading a name as a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value


@router.get("/models")
def list_models(reader: Asking, parts: PartsOf) -> ModelPage:
    """List the models that may answer, with their prices."""
    return ModelPage(
        items=[
            ModelShape(
                id=model.id,
                provider=model.provider,
                context_window=model.context_window,
                max_output_tokens=model.max_output_tokens,
                input_usd_per_million=_price(model.input_usd_per_million),
                output_usd_per_million=_price(model.output_usd_per_million),
                default=model.default,
            )
            for model in parts.answering.gateway.models()
        ]
    )


def _price(amount: Decimal | None) -> str | None:
    return None if amount is None else dollars(amount)
