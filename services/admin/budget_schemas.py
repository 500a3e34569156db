"""The shapes of budgets."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.admin.schemas import Dollars
from services.schemas import Body, Shape

Text = Annotated[str, Field(max_length=200)]


class BudgetBody(Body):
    scope: Literal["deployment", "corpus", "key", "user", "group"]
    subject: Text = Field("", description="A corpus by name or id, a key's id, a user, a group; none for deployment.")
    period: Literal["day", "week", "month", "total"]
    limit_usd: Dollars
    hard: bool = Field(True, description="Refuse what does not fit; a soft budget only alerts.")
    cheaper_model: Text | None = Field(
        None, description="Model that a call goes to when it does not fit; 'extractive' quotes for nothing."
    )
    dry_run: bool = Field(False, description="Only say what the period has spent already.")


class AlertShape(Shape):
    percent: int
    spent_usd: str
    limit_usd: str
    raised_at: datetime
    told_at: datetime | None = Field(description="When the webhook took it, or the log where there is none.")


class BudgetShape(Shape):
    id: UUID
    scope: str
    subject: str
    name: str = Field(description="Of the corpus or key; else the subject.")
    period: str
    limit_usd: str
    hard: bool
    cheaper_model: str | None
    time_zone: str = Field(description="Whose midnight periods begin at.")
    starts_at: datetime
    renews_at: datetime | None = Field(description="When the next period begins; a total has none.")
    spent_usd: str
    reserved_usd: str = Field(description="The most that calls under way may still cost.")
    left_usd: str
    alerts: list[AlertShape] = Field(description="Those of this period.")
    in_force: bool = Field(True, description="False for what a dry run shows.")


class BudgetPage(Shape):
    items: list[BudgetShape]
    next_cursor: str | None = None
