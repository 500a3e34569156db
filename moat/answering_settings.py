"""How questions are answered."""

from typing import Literal

from pydantic import Field

from moat.api_settings import PositiveSeconds
from moat.section import Section


class AnsweringSettings(Section):
    model: str = Field(
        "", description="Model that answers by default; empty: the first of [models], else 'extractive'."
    )
    earlier_questions: int = Field(
        3,
        ge=0,
        le=10,
        description="Questions asked before in a conversation by which the next is understood; 0: each stands alone.",
    )
    candidates: int = Field(50, ge=1, le=500, description="Candidates each retrieval arm brings.")
    embed_deadline_s: PositiveSeconds = Field(
        20, description="Longest that embedding a question may take; late, its words alone are looked for."
    )
    reranker: str = Field(
        "", description="Reads the best candidates: a cross-encoder's folder, or 'provider/model'; empty: none."
    )
    rerank_passages: int = Field(20, ge=2, le=200, description="Candidates that the reranker reads.")
    rerank_deadline_s: PositiveSeconds = Field(2, description="Longest that reranking may take; late, it is skipped.")
    passages: int = Field(10, ge=1, le=50, description="Passages whose sentences are read for an answer.")
    context_tokens: int = Field(1_100, ge=100, description="Most tokens of their sentences in a prompt.")
    abstain_below: float = Field(
        0.2, ge=0, le=1, description="Likeliness of an answer below which none is given; a corpus may have its own."
    )
    unverified: Literal["mark", "cut", "show"] = Field(
        "mark", description="What is done with a model's sentence that its sources do not hold."
    )
    judge: str = Field(
        "",
        description="Model of [models] that says whether the sources hold a sentence of another's; empty: words and "
        "nearness alone do.",
    )
    judge_asked: Literal["doubtful", "all"] = Field(
        "doubtful", description="Sentences it is asked about: those whose words leave it in doubt, or all that claim."
    )
    judge_calls: int = Field(8, ge=1, le=100, description="Most sentences of one answer that it is asked about.")
    judge_deadline_s: PositiveSeconds = Field(10, description="Longest that it may take for one; late, words decide.")
    min_similarity: float = Field(0.25, ge=-1, le=1, description="Cosine below which the best passage is not evidence.")
    link_hosts: tuple[str, ...] = Field(
        (), description="Hosts that links in answers may lead to; '*.example.com' is every host below example.com."
    )
    searches_at_once: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Questions whose passages are looked for at once in one process, half of them one caller's; "
        "0: the cores.",
    )
    search_wait_s: PositiveSeconds = Field(10, description="Longest that a question waits for its turn.")
    deadline_s: PositiveSeconds = Field(60, description="Longest a whole answer may take.")
    first_token_s: PositiveSeconds = Field(30, description="Longest that one model may take to begin.")
    drain_s: PositiveSeconds = Field(5, description="How long a stream is read on for its bill after the client left.")
