"""The shapes of questions, passages and answers over HTTP."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from services.schemas import Body, Shape


class RetrievalBody(Body):
    """How to look for passages; for admins who compare."""

    arms: list[Literal["dense", "sparse", "tokens"]] = Field(
        ["dense", "sparse", "tokens"],
        min_length=1,
        max_length=3,
        description="What finds passages by meaning and by words; `tokens` only rescores what these find.",
    )
    fusion: Literal["blend", "rrf"] = Field("blend", description="By the arms' scores, or by their ranks alone.")

    rerank: bool = Field(True, description="Whether the cross-encoder of the settings, if any, reads the best ones.")

    @field_validator("arms")
    @classmethod
    def _finds_something(cls, value: list[str]) -> list[str]:
        if value == ["tokens"]:
            raise ValueError("'tokens' alone finds nothing: add 'dense' or 'sparse'")
        return value


class QuestionBody(Body):
    question: str = Field(min_length=1, description="What you want to know.")
    corpora: list[str] | None = Field(None, max_length=100, description="Names or ids; every readable one by default.")
    document_ids: list[UUID] | None = Field(
        None, min_length=1, max_length=100, description="Look at these documents alone; at all by default."
    )

    earlier: list[Annotated[str, Field(min_length=1)]] = Field(
        [], max_length=50, description="Questions asked before in the same conversation, oldest first."
    )

    @field_validator("question")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the question is blank")
        return value


class SearchBody(QuestionBody):
    limit: int = Field(10, ge=1, le=200)
    explain: bool = Field(False, description="Add each arm's rank and score.")
    retrieval: RetrievalBody | None = Field(None, description="Admins only.")


class AnswerBody(QuestionBody):
    model: str | None = Field(None, description="One of GET /v1/models; the configured default otherwise.")
    passage_ids: list[UUID] | None = Field(
        None, min_length=1, max_length=200, description="Admins only: read these passages instead of searching."
    )
    conversation_id: UUID | None = Field(
        None, description="That of an earlier answer of yours: the question is understood by those asked before it."
    )
    max_cost_usd: Decimal | None = Field(
        None, ge=0, le=1_000_000, description="Refuse, before a model is asked, what can cost more than this."
    )
    dry_run: bool = Field(False, description="Say what the answer would cost, and do not ask a model.")
    stream: bool = Field(False, description="Answer as server-sent events: sources, token, citation, done, error.")

    @model_validator(mode="after")
    def _one_account_of_what_was_asked(self) -> Self:
        if self.conversation_id is not None and self.earlier:
            raise ValueError("'earlier' and 'conversation_id' both say what was asked before: send one of them")
        return self


class ArmShape(Shape):
    rank: int
    score: float | None = Field(
        description="Of the sparse arm for admins alone: it tells how often the words stand in documents of others."
    )


class PassageShape(Shape):
    passage_id: UUID
    document_id: UUID
    key: str
    title: str
    corpus: str
    page: int | None
    pages: list[int] = Field([], description="Every page that its text stands on; `page` is the first of them.")
    span: tuple[int, int]
    text: str
    score: float
    heading_path: list[str]
    flags: list[str] = Field([], description="In what ways it looks like instructions to a model.")
    arms: dict[str, ArmShape] | None = None


class ShareShape(Shape):
    passage_id: UUID
    why: str
    spans: list[tuple[int, int]]
    tokens: int
    score: float | None


class ReadingShape(Shape):
    answers: bool
    likeliness: float | None
    threshold: float | None
    signals: dict[str, float]
    shares: list[ShareShape]


class SearchShape(Shape):
    passages: list[PassageShape]
    timings: dict[str, float]
    skipped: dict[str, str] = Field(
        {}, description="Optional stages that were left out, and why: `late`, `failed`, `over budget`, `not allowed`."
    )
    reading: ReadingShape | None = Field(
        None, description="With `explain`, for admins: whether it would be answered, on what grounds, and what is read."
    )


class CitationShape(Shape):
    marker: int
    document_id: UUID
    title: str
    corpus: str
    page: int | None
    span: tuple[int, int]
    quote: str
    score: float
    url: str
    flags: list[str] = Field([], description="In what ways the cited passage looks like instructions to a model.")


class CallShape(Shape):
    kind: str
    provider: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: str
    usage: str
    price_version: str
    attempt: int
    status: str


class CostShape(Shape):
    total_usd: str
    saved_usd: str
    calls: list[CallShape]


class AnswerShape(Shape):
    id: UUID
    question: str
    answer: str
    abstained: bool
    citations: list[CitationShape]
    cost: CostShape
    model: str
    timings: dict[str, float]
    created_at: datetime
    note: str = ""
    withheld: int = Field(0, description="Citations that are no longer shown: their documents are gone.")
    flags: list[str] = Field([], description="What was found in the sources, and withheld or changed in the answer.")
    links: list[str] = Field([], description="Addresses in the answer that may be shown as links.")
    conversation_id: UUID | None = Field(None, description="Send it along with the next question of a conversation.")


class JudgementBody(Body):
    """An answer to grade against the expected one; the texts are of these corpora, by default of any readable one."""

    question: str = Field(min_length=1, max_length=20_000)
    expected: str = Field(min_length=1, max_length=20_000)
    answer: str = Field(min_length=1, max_length=50_000)
    model: str = Field(description="The judge: one of GET /v1/models.")
    corpora: list[str] | None = Field(None, max_length=100)


class JudgementShape(Shape):
    verdict: Literal["correct", "partly", "wrong"]
    model: str
    cost: CostShape


class EstimateShape(Shape):
    """What an answer would cost, with `dry_run`."""

    dry_run: Literal[True] = True
    model: str
    passages: int = Field(description="Passages that would be read.")
    minimum_usd: str
    expected_usd: str
    ceiling_usd: str = Field(description="The most that the call can cost; a budget must have room for it.")
    input_tokens: int
    max_output_tokens: int
    price_version: str
    kept: bool = Field(description="It was answered before, and would be given again for nothing.")
    why: str


class FeedbackBody(Body):
    rating: Literal["up", "down"]
    comment: str = Field("", max_length=4000)
