"""Routes of budgets: limits on spending, and what is left of them."""

from uuid import UUID

from fastapi import APIRouter

from answering.body import dollars
from moat import audit
from moat.budgets import TIME_ZONE, Standing, Wish, remove_budget, set_budget, standings
from services.admin.budget_schemas import AlertShape, BudgetBody, BudgetPage, BudgetShape
from services.dependencies import Admin, PartsOf, SeeingCosts

router = APIRouter(prefix="/v1/budgets", tags=["costs"])


@router.get("")
def list_budgets(reader: SeeingCosts, parts: PartsOf) -> BudgetPage:
    """List budgets with what is left: admins and finance see all, others those of their own name, key and groups."""
    with parts.database.reading() as session:
        return BudgetPage(items=[_shape(found) for found in standings(session, reader)])


@router.put("")
def put_budget(body: BudgetBody, reader: Admin, parts: PartsOf) -> BudgetShape:
    """Make a budget, or change the one of the same subject and period; what the period has spent counts at once."""
    if body.cheaper_model is not None:
        parts.answering.gateway.resolve(body.cheaper_model)
    wish = Wish(body.scope, body.subject, body.period, body.limit_usd, body.hard, body.cheaper_model)
    with parts.database.transaction() as session:
        trial = session.begin_nested()
        found = set_budget(parts.database, session, reader, wish)
        row, shape = found.budget, _shape(found, in_force=not body.dry_run)
        if body.dry_run:
            trial.rollback()
        else:
            terms = body.model_dump(mode="json", exclude={"dry_run"})
            audit.note(session, reader, "budget.set", row.id, corpus_id=row.corpus_id, **terms)
    return shape


@router.delete("/{budget_id}", status_code=204)
def delete_budget(budget_id: UUID, reader: Admin, parts: PartsOf) -> None:
    """Remove a budget; the ledger keeps every call that it counted."""
    with parts.database.transaction() as session:
        row = remove_budget(session, budget_id)
        audit.note(session, reader, "budget.removed", row.id, corpus_id=row.corpus_id, scope=row.scope)


def _shape(found: Standing, *, in_force: bool = True) -> BudgetShape:
    row = found.budget
    return BudgetShape(
        id=row.id,
        scope=row.scope,
        subject=row.subject,
        name=found.name,
        period=row.period,
        limit_usd=dollars(row.limit_usd),
        hard=row.hard,
        cheaper_model=row.cheaper_model,
        time_zone=TIME_ZONE,
        starts_at=found.starts_at,
        renews_at=found.renews_at,
        spent_usd=dollars(found.spent_usd),
        reserved_usd=dollars(found.reserved_usd),
        left_usd=dollars(found.left_usd),
        alerts=[
            AlertShape(
                percent=alert.percent,
                spent_usd=dollars(alert.spent_usd),
                limit_usd=dollars(alert.limit_usd),
                raised_at=alert.raised_at,
                told_at=alert.told_at,
            )
            for alert in found.alerts
        ],
        in_force=in_force,
    )
