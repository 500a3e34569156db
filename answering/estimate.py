"""What an answer would cost, said before any model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from answering import prompt
from answering.body import dollars
from answering.context import as_reranked, in_context, meant
from answering.pack import Source
from answering.query import Found, Parts, Query
from answering.sentence_judge import KIND, LONGEST_CLAIM_TOKENS, judging
from moat.embedding_price import embedding_price
from moat.errors import CallTooDear, MoatError
from moat.llm.embedders import is_paid
from moat.llm.gateway import Quote
from moat.llm.tokens import count_tokens
from moat.tables import CallRow

# So many of a model's last answers say how long the next one will be.
_LOOK_BACK = 50
# A prompt's mark is random, and so is how many tokens it takes: most where letters and digits take turns.
LONGEST_MARK = "0a1b2c3d4e5f6a7b"
LONGEST_CLAIM = " the" * LONGEST_CLAIM_TOKENS
VERDICT_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """The price range of one answer in dollars; `why` says where it is nothing, or what it is reckoned from."""

    model: str
    passages: int
    minimum_usd: Decimal = Decimal(0)
    expected_usd: Decimal = Decimal(0)
    ceiling_usd: Decimal = Decimal(0)
    input_tokens: int = 0
    max_output_tokens: int = 0
    price_version: str = ""
    kept: bool = False
    why: str = ""


def quote(model: str, query: Query, sources: Sequence[Source], parts: Parts) -> Quote:
    """Price the call that would be made for these sources; raises as the call itself would before it is sent."""
    return parts.gateway.quote(model, prompt.messages(query.question, sources, LONGEST_MARK, query.earlier))


def estimate_call(model: str, query: Query, sources: Sequence[Source], parts: Parts) -> Estimate:
    """Give the least, the usual and the most that the call can cost.

    The least: all of the prompt read from the provider's cache, and one token written. The usual: the prompt as
    counted here, at full price, and as much text as the model's last answers had, or half of what it may write. The
    most: what a budget would have to have room for.
    """
    quoted = quote(model, query, sources, parts)
    with parts.database.reading() as session:
        lengths = _lengths(session, model)
    usual = sum(lengths) // len(lengths) if lengths else quoted.max_output_tokens // 2
    seen = f"{len(lengths)} answers of this model" if lengths else "half of what the model may write"
    return Estimate(
        model=model,
        passages=sum(len(source.passages) for source in sources),
        minimum_usd=quoted.least_usd(),
        expected_usd=min(quoted.expected_usd(usual), quoted.ceiling_usd),
        ceiling_usd=quoted.ceiling_usd,
        input_tokens=quoted.prompt_tokens,
        max_output_tokens=quoted.max_output_tokens,
        price_version=quoted.price_version,
        why=f"Expected by {usual} tokens of text, from {seen}. A repetition after a failure is billed apart.",
    )


def add_judge(told: Estimate, query: Query, sources: Sequence[Source], parts: Parts) -> Estimate:
    """Add what a judge of its sentences takes; nothing to the least, since all may be plain by their words."""
    limits = parts.settings.answering
    if not limits.judge or limits.unverified == "show" or parts.calls is None:
        return told
    asked = judging(meant(query), LONGEST_CLAIM, sources, LONGEST_MARK)
    try:
        quoted = parts.gateway.quote(limits.judge, asked)
    except MoatError as error:
        return replace(told, why=f"{told.why} {limits.judge} cannot be asked about its sentences: {error.detail}")
    with parts.database.reading() as session:
        usual, length = _judged(session, told.model, limits.judge_calls)
    ceiling_usd = limits.judge_calls * quoted.ceiling_usd
    return replace(
        told,
        expected_usd=told.expected_usd + usual * min(quoted.expected_usd(length), quoted.ceiling_usd),
        ceiling_usd=told.ceiling_usd + ceiling_usd,
        why=f"{told.why} With up to ${dollars(ceiling_usd)} for {limits.judge}, of whose calls "
        f"{usual} are expected and {limits.judge_calls} are the most.",
    )


def add_search(told: Estimate, query: Query, found: Found, parts: Parts) -> Estimate:
    """Add what providers take for the search itself; nothing to the least, since a search does without when they fail.

    A dry run pays for nothing: it has searched by words, and left the order as it was.
    """
    if query.passage_ids is not None:  # nothing is looked for
        return told
    settings, question = parts.settings, query.question.strip()
    paid = [name for name in found.embedders if is_paid(name, settings)]
    texts = [text for text in (question, in_context(query)) if text]  # each is embedded by itself
    prices = [embedding_price(name, count_tokens(text), settings) for name in paid for text in texts]
    expected_usd = sum((price.expected_usd for price in prices), Decimal(0))
    ceiling_usd = sum((price.ceiling_usd for price in prices), Decimal(0))
    why = [f"embedding the question by {name}" for name in paid]
    reranker = settings.answering.reranker
    if parts.reranking is not None and reranker in settings.models and found.passages:
        read = [passage.text for passage in found.passages[: settings.answering.rerank_passages]]
        most_usd = parts.gateway.reranking_ceiling(reranker, as_reranked(query), read)
        expected_usd, ceiling_usd = expected_usd + most_usd, ceiling_usd + most_usd
        why.append(f"reranking by {reranker}")
    if not why:
        return told
    done_here = "here passages were looked for without, and others may be read then."
    return replace(
        told,
        expected_usd=told.expected_usd + expected_usd,
        ceiling_usd=told.ceiling_usd + ceiling_usd,
        why=f"{told.why} With up to ${dollars(ceiling_usd)} for {' and '.join(why)}; {done_here}",
    )


def check_ceiling(model: str, query: Query, sources: Sequence[Source], parts: Parts) -> None:
    """Raise CallTooDear, with the ceiling named, where the call can cost more than its asker allows."""
    most_usd = query.max_cost_usd
    if most_usd is None:
        return
    ceiling = quote(model, query, sources, parts).ceiling_usd
    if ceiling > most_usd:
        raise CallTooDear(
            f"This answer of {model} can cost up to ${dollars(ceiling)}, and max_cost_usd is ${dollars(most_usd)}.",
            "Allow more, name a cheaper model, or ask fewer corpora; dry_run tells the range.",
        )


def _lengths(session: Session, model: str) -> list[int]:
    return list(session.scalars(_last_answers(model, CallRow.output_tokens)))


def _judged(session: Session, model: str, most: int) -> tuple[int, int]:
    """Tell how many sentences of an answer of this model are judged, and the tokens of a verdict, as far as known."""
    answers = list(session.scalars(_last_answers(model, CallRow.answer_id)))
    judged = select(func.count(), func.sum(CallRow.output_tokens))
    calls, written = session.execute(judged.where(CallRow.answer_id.in_(answers), CallRow.kind == KIND)).one()
    if not calls:
        return -(-most // 2), VERDICT_TOKENS
    return min(most, -(-calls // len(answers))), -(-int(written) // calls)


def _last_answers(model: str, wanted: InstrumentedAttribute[Any]) -> Select[Any]:
    provider, _, name = model.partition("/")
    return (
        select(wanted)
        .where(CallRow.provider == provider, CallRow.model == name)
        .where(CallRow.kind == "answer", CallRow.status == "ok")
        .order_by(CallRow.opened_at.desc())
        .limit(_LOOK_BACK)
    )
