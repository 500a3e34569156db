"""The shapes of what admins look after."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from moat.pipeline_settings import CleaningSettings, RedactionSettings
from moat.provider_settings import Reach
from moat.widget_signatures import MAX_CHARS
from services.schemas import Body, Moment, Shape

Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=12)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$"


class PipelineBody(Body):
    embedder: str | None = Field(None, min_length=1, max_length=1000)
    chunk_tokens: int | None = Field(None, ge=32, le=8192)
    late_interaction: bool | None = Field(None, description="Rank what was found by the vectors of its words.")
    cleaning: CleaningSettings | None = Field(None, description="Rules to switch off or on; the others stay.")
    redaction: RedactionSettings | None = Field(None, description="What to mask; what is not named stays.")


REACH = (
    "Providers, 'provider@region', '*@region' that its text may reach, or 'local only'; none: the deployment's list."
)


class CorpusBody(Body):
    name: str = Field(pattern=NAME)
    access: list[str] = Field([], max_length=200, description="Groups that may read; none means admins only.")
    pipeline: PipelineBody = PipelineBody()
    reach: Reach = Field((), max_length=100, description=REACH)


class CorpusPatch(Body):
    name: str | None = Field(None, pattern=NAME)
    access: list[str] | None = Field(None, max_length=200)
    abstain_below: float | None = Field(
        None, ge=0, le=1, description="Likeliness of an answer below which its questions get none."
    )
    cache_answers: bool | None = Field(None, description="Give answers from it again, where the deployment does that.")
    reach: Reach | None = Field(None, max_length=100, description=REACH)


class CorpusShape(Shape):
    id: UUID
    name: str
    access: list[str]
    pipeline: dict[str, Any]
    reach: list[str] | None
    documents: int
    chunks: int
    counts: dict[str, int]
    created_at: datetime
    abstain_below: float | None
    cache_answers: bool


class CorpusPage(Shape):
    items: list[CorpusShape]
    next_cursor: str | None = None


class KeyBody(Body):
    name: str = Field(min_length=1, max_length=200)
    user: str = Field(min_length=1, max_length=200)
    groups: list[str] = Field([], max_length=200)
    scopes: list[Literal["read", "ask", "upload", "admin", "finance", "act_for", "metrics"]] = Field(
        ["read", "ask"], max_length=7
    )
    corpora: list[str] | None = Field(None, description="Names or ids; every readable one by default.")
    expires_at: Moment | None = None
    act_for_groups: list[str] = Field(
        [], max_length=200, description="With the scope act_for: groups that it may state; '*' is any."
    )


class RotationBody(Body):
    overlap_s: int = Field(86_400, ge=0, le=2_592_000, description="How long the secret of before works on.")
    expires_at: Moment | None = Field(None, description="When the key expires from now on; left as it is by default.")


class KeyShape(Shape):
    id: UUID
    name: str
    prefix: str
    user: str
    groups: list[str]
    scopes: list[str]
    corpora: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None = Field(description="Until when the secret before the last rotation works.")
    act_for_groups: list[str]
    key: str | None = Field(None, description="Shown once, when the key is made or rotated.")


class KeyPage(Shape):
    items: list[KeyShape]
    next_cursor: str | None = None


class WidgetBody(Body):
    name: str = Field(min_length=1, max_length=200)
    origins: list[str] = Field(min_length=1, max_length=50, description="Pages that may show it: scheme://host[:port].")
    corpora: list[str] | None = None
    groups: list[str] = Field(
        [], max_length=200, description="Groups the widget reads as; everyone's documents always."
    )
    signed_only: bool = Field(False, description="Take only visitors for whom the page's server signs.")
    signed_groups: list[str] = Field([], max_length=200, description="Groups a signature may state; '*' is any.")
    users: Literal["page", "moat"] = Field(
        "page", description="Whose names signatures state: the page's own users, or Moat's with all they may read."
    )
    limit_usd: Dollars | None = Field(None, description="Most that one session may cost.")


class WidgetShape(Shape):
    id: str
    name: str
    origins: list[str]
    corpora: list[str] | None
    groups: list[str]
    signed_only: bool
    signed_groups: list[str]
    users: str
    limit_usd: str | None
    created_at: datetime


class SecretShape(Shape):
    secret: str = Field(description="Shown once; for the page's server alone, never for a page.")


class WidgetPage(Shape):
    items: list[WidgetShape]
    next_cursor: str | None = None


class SessionBody(Body):
    widget_id: str = Field(max_length=100)
    signature: str | None = Field(None, max_length=MAX_CHARS, description="JWT by the page's server, for this visitor.")


class SessionShape(Shape):
    token: str
    expires_at: datetime
    limit_usd: str | None


class ReindexBody(PipelineBody):
    dry_run: bool = False


class PlanShape(Shape):
    """What a reindex would take."""

    documents: int
    tokens: int
    cost_usd: str = Field(description="Of embedding all of it by the embedder's prices; 0 where it runs here.")
    ceiling_usd: str = Field(description="The same, by the most tokens that the provider may count.")
    why: str
    minutes: float | None = Field(description="From what indexing took here before; null when nothing was timed yet.")
    pipeline: dict[str, Any]


class JobShape(Shape):
    id: UUID
    kind: str
    corpus: str
    state: str
    documents: int
    done: int
    ready: int
    progress: float
    detail: str
    hint: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None


class CostPage(Shape):
    """Sums of the ledger; each item holds one value for each name in `group_by`."""

    items: list[dict[str, str | int]]
    total_usd: str


class ModelShape(Shape):
    id: str
    provider: str
    context_window: int | None
    max_output_tokens: int | None = Field(description="Most tokens of one answer.")
    input_usd_per_million: str | None
    output_usd_per_million: str | None
    default: bool


class ModelPage(Shape):
    items: list[ModelShape]
    next_cursor: str | None = None
