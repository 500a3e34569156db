"""The end of an attempt's row: what the call did cost, as reported, counted or presumed."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal
from uuid import UUID

from moat import ledger
from moat.database import Database
from moat.desk import Desk
from moat.llm.plan import Plan
from moat.llm.prices import Bill
from moat.llm.tokens import count_tokens
from moat.llm.usage import estimated
from moat.llm.wires.base import Piece
from moat.records import Usage


async def close_row(
    desk: Desk,
    database: Database,
    plan: Plan,
    call_id: UUID,
    text: Sequence[str],
    last: Piece,
    status: Literal["ok", "failed", "cancelled"],
    *,
    billed: bool,
) -> Usage:
    """Settle a call: as reported; at nothing when it cannot be billed; a whole answer as counted here; else as
    presumed, at its ceiling."""
    # What a stream said before it broke off is not its bill yet: output is counted until the end.
    if last.usage is not None and (last.finish_reason or not billed):
        usage, bill = last.usage, plan.prices.bill(last.usage, plan.ceiling_usd)
    elif not billed:
        usage, bill = Usage(), Bill(Decimal(0))
    else:
        output_tokens = await desk.do(count_tokens, "".join(text))
        usage = estimated(plan.prompt_tokens, output_tokens)
        bill = plan.prices.bill(usage, plan.ceiling_usd)
        if status != "ok":
            await desk.do(ledger.presume, database, call_id, usage)
            return usage
    await desk.do(
        ledger.settle,
        database,
        call_id,
        usage=usage,
        cost_usd=bill.cost_usd,
        flags=bill.flags,
        status=status,
        model_returned=last.model_returned,
        request_id=last.request_id,
    )
    return usage
