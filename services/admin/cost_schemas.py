"""The shapes of forecasts, and of what checks the ledger."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from services.admin.schemas import Dollars
from services.schemas import Body, Shape


class ForecastShape(Shape):
    starts_at: datetime
    ends_at: datetime
    spent_usd: str
    daily_usd: str = Field(
        description="The average of `days_seen` whole days before today; of today, if there is none."
    )
    days_seen: int
    expected_usd: str = Field(description="Spent before today, and that average for today and each day left.")


class ReconcileBody(Body):
    csv: str = Field(
        description="A provider's export: OpenAI's or Anthropic's usage or costs, or day,model,tokens,dollars."
    )
    provider: str = Field(
        "", max_length=100, description="Whose calls, by its name in the settings; else the shape says."
    )
    within_usd: Dollars = Field(Decimal(0), description="A difference up to this is put down to rounding.")


class ReasonShape(Shape):
    reason: str
    usd: str = Field(description="Positive: booked and not billed; negative: billed and not booked.")


class ComparedShape(Shape):
    day: date
    model: str
    booked_usd: str
    billed_usd: str | None
    difference_usd: str | None = Field(description="Booked less billed: the sum of the reasons.")
    booked_tokens: int
    billed_tokens: int | None
    difference_tokens: int | None
    calls: int
    requests: int | None
    presumed: int = Field(description="Calls booked at their ceiling, since their bill never came.")
    estimated: int = Field(description="Calls whose tokens were counted here.")
    price_versions: list[str]
    reasons: list[ReasonShape]
    detail: str


class ReconciledShape(Shape):
    shape: str
    provider: str
    first_day: date | None
    last_day: date | None
    lines: list[ComparedShape]
    booked_usd: str
    billed_usd: str | None
    difference_usd: str | None


class DifferingShape(Shape):
    id: UUID
    model: str
    booked_usd: str
    again_usd: str
    why: str


class RepricedModelShape(Shape):
    model: str
    calls: int
    booked_usd: str
    today_usd: str | None = Field(description="By today's prices; null for a model without one.")
    change_usd: str | None


class RepricedShape(Shape):
    calls: int
    equal: int = Field(description="Calls that come out bit for bit by the prices they were billed by.")
    unknown: int = Field(description="Calls of before prices were kept; taken as booked.")
    differing: int
    differing_calls: list[DifferingShape]
    models: list[RepricedModelShape]
