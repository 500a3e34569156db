"""A question becomes a checked answer, told as plain events and stored whatever happens on the way."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from anyio import CancelScope, to_thread
from sqlalchemy.orm import Session

from answering import cache, extractive, prompt
from answering.accounts import for_answer, on_account
from answering.body import body_of
from answering.chosen import chosen
from answering.conflicts import told
from answering.context import meant
from answering.conversation import as_told, in_conversation
from answering.draft import Draft
from answering.estimate import Estimate, add_judge, add_search, check_ceiling, estimate_call
from answering.events import Cited, Done, Event, Sources, Token
from answering.guard import WITHHELD, Guard
from answering.history import note_documents
from answering.nearest import nothing_found
from answering.pack import Source
from answering.patience import waiting
from answering.query import Found, Parts, Query, Retrieval
from answering.quote import cite
from answering.reading import Reading, read
from answering.retrieve import search
from answering.sentence_judge import judge_for
from answering.support import Support
from answering.verify import Checker
from answering.withhold import without_record
from moat import audit, ledger
from moat.errors import BudgetExceeded, MoatError
from moat.llm.gateway import EXTRACTIVE
from moat.records import Answer, Cost, Reader
from moat.tables import AnswerRow

__all__ = [
    "Cited", "Done", "Estimate", "Event", "Found", "Parts", "Query", "Retrieval", "Sources", "Token",
    "answer", "estimate", "search",
]  # fmt: skip

NO_TEXT = "The model gave no answer."
NO_CITATION = "The model named no source for this answer."
WITHHELD_NOTE = (
    "A part of the model's text was withheld, because the sources do not hold it or it repeats the instructions."
)
TOOL_IGNORED = "The model asked for a tool; it has none, and nothing was run."
CUT_AT_LIMIT = "The model reached its output limit; the answer may be incomplete."


async def answer(query: Query, reader: Reader, parts: Parts) -> AsyncGenerator[Event, None]:
    """Answer one question: `Sources` first, then text and citations, `Done` with the stored answer last.

    Raises InvalidRequest or NotFound before the first event when the question cannot be asked so, Unavailable and
    ProviderError at any time; the answer is stored and its calls are booked even then, and when the reader leaves.
    """
    if query.conversation_id is not None or query.earlier:
        query = await to_thread.run_sync(in_conversation, query, reader, parts)
    draft = Draft(query, reader, parts.gateway.resolve(query.model))
    parts = on_account(query, reader, parts, query.answer_id)
    with CancelScope(shield=True):  # a row once opened is always closed below
        await to_thread.run_sync(_open, draft, parts)
    try:
        found, reading = await to_thread.run_sync(_prepare, draft, parts)
        sources = reading.sources
        if sources and draft.kept is None and draft.model != EXTRACTIVE:
            await to_thread.run_sync(check_ceiling, draft.model, draft.query, sources, parts)
        yield Sources(tuple(p for source in sources for p in source.passages))
        async with aclosing(_write(draft, found, reading, parts)) as events:
            async for event in events:
                draft.take(event)
                yield event
    except MoatError as error:
        draft.end("failed", error.public)
        raise
    finally:
        with CancelScope(shield=True):
            done = await to_thread.run_sync(_close, draft, parts)
    yield Done(done)


def estimate(query: Query, reader: Reader, parts: Parts) -> Estimate:
    """Say what an answer would cost: all is done but asking a model, and nothing is stored or booked.

    Raises as `answer` does before its first event.
    """
    query = in_conversation(query, reader, parts)
    draft = Draft(query, reader, parts.gateway.resolve(query.model))
    found, reading = _prepare(draft, parts)
    return add_search(_estimate(draft, reading.sources, parts), query, found, parts)


def _estimate(draft: Draft, sources: tuple[Source, ...], parts: Parts) -> Estimate:
    """Price the call that writes the answer."""
    free = partial(Estimate, draft.model, sum(len(source.passages) for source in sources))
    if not sources:
        return free(why="Nothing was found that answers this, so no model is asked.")
    if draft.kept is not None:
        return free(kept=True, why="It was answered before, over the same sources, and is given again.")
    if draft.model == EXTRACTIVE:
        return free(why="Quoting costs nothing.")
    return add_judge(estimate_call(draft.model, draft.query, sources, parts), draft.query, sources, parts)


def _prepare(draft: Draft, parts: Parts) -> tuple[Found, Reading]:
    """Find what is to be read, and the answer itself where it was given before."""
    candidates = replace(draft.query, limit=parts.settings.answering.candidates)
    find = search if draft.query.passage_ids is None else chosen
    found = find(candidates, draft.reader, parts)
    draft.timings |= found.timings
    draft.asked = found.corpora
    reading = read(draft.query, found, draft.model, parts)
    draft.stamp("read_ms")
    draft.flags |= reading.flags
    draft.used.update(p.document_id for source in reading.sources for p in source.passages)
    _recall(draft, found, reading.sources, parts)
    if reading.sources and draft.model != EXTRACTIVE:
        draft.query = as_told(draft.query, draft.model, draft.reader, reading.sources, parts)
    return found, reading


async def _write(draft: Draft, found: Found, reading: Reading, parts: Parts) -> AsyncGenerator[Token | Cited, None]:
    if not reading.sources:
        yield Token(_nothing_found(draft, found, parts))
        draft.end("abstained", reading.note)
        return
    if draft.kept is not None:
        for event in _again(draft.kept.answer):
            yield event
        return
    if draft.model != EXTRACTIVE:
        try:
            async with aclosing(_generate(draft, found, reading, parts)) as events:
                async for event in events:
                    yield event
            return
        except BudgetExceeded as refused:
            if refused.cheaper_model != EXTRACTIVE or draft.text:
                raise
            draft.model, draft.place = EXTRACTIVE, None  # the budget's policy: rather quote for nothing than not answer
    async with aclosing(_extract(draft, found, reading, parts)) as events:
        async for event in events:
            yield event


def _recall(draft: Draft, found: Found, sources: tuple[Source, ...], parts: Parts) -> None:
    """Find the answer in the cache, or the place where it is to be kept."""
    draft.place = cache.find_place(draft.query, draft.model, found, sources, draft.reader, parts)
    kept = None if draft.place is None else cache.recall(draft.place, draft.reader, parts.database)
    if kept is not None:
        draft.take_over(kept)


def _again(kept: Answer) -> Iterator[Token | Cited]:
    yield Token(kept.answer)
    yield from (Cited(citation) for citation in kept.citations)


async def _extract(draft: Draft, found: Found, reading: Reading, parts: Parts) -> AsyncGenerator[Token | Cited, None]:
    picks = extractive.pick(reading.evidence)
    guard = _guard(draft, reading.sources, "", parts)
    for marker, picked in enumerate(picks, 1):
        yield Cited(cite(marker, picked.sentence, picked.score, parts.settings.api.public_url))
        text = guard.clean(" ".join(picked.sentence.text.split()))
        yield Token(f"{' ' if marker > 1 else ''}{text} [{marker}]")
    draft.learn(guard)
    if picks:
        notes = [extractive.NOTE, told(reading.conflicts, draft.citations), reading.note]
        draft.end("answered", " ".join(filter(None, notes)))
    else:
        yield Token(_nothing_found(draft, found, parts))
        draft.end("abstained")


async def _generate(draft: Draft, found: Found, reading: Reading, parts: Parts) -> AsyncGenerator[Token | Cited, None]:
    sources, mark, limits = reading.sources, prompt.new_mark(), parts.settings.answering
    guard = _guard(draft, sources, mark, parts)
    purpose = for_answer(draft.query, draft.reader, sources)
    judge = judge_for(meant(draft.query), purpose, parts, until=draft.started + limits.deadline_s)
    question = draft.query.question  # what was asked before it vouches for no number
    support = None if limits.unverified == "show" else Support(question, sources, reading.embedder, judge)
    checker = Checker(question, sources, guard, parts.settings.api.public_url, support, cut=limits.unverified == "cut")
    asked = prompt.messages(question, sources, mark, draft.query.earlier)
    stream = parts.gateway.stream(draft.model, asked, purpose=purpose)
    finish_reason = ""
    try:
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                finish_reason = delta.finish_reason or finish_reason
                draft.model = delta.model or draft.model  # a fallback may have answered
                if delta.tool_call:
                    draft.flags.add("tool_call_ignored")
                for event in await waiting(checker.feed, delta.text):  # it may embed a sentence, or ask about it
                    yield event
        for event in await waiting(checker.finish):
            yield event
    finally:
        draft.learn(guard)
        draft.flags |= {"unverified"} if checker.unverified else set()
        draft.flags |= {"degraded"} if judge is not None and judge.left_out else set()
    notes = [
        reading.note,
        checker.note,
        "" if judge is None else judge.note,
        told(reading.conflicts, checker.citations),
        CUT_AT_LIMIT if finish_reason == "length" else "",
        TOOL_IGNORED if "tool_call_ignored" in draft.flags else "",
        WITHHELD_NOTE if WITHHELD in draft.text else "",
    ]
    if not draft.text.strip():
        yield Token(NO_TEXT)
        draft.end("abstained", " ".join(filter(None, notes)))
    elif prompt.NOT_ANSWERED in draft.text and not checker.citations:
        draft.end("abstained", " ".join(filter(None, notes)))
    else:
        draft.end("answered", " ".join(filter(None, [*notes, "" if checker.citations else NO_CITATION])))


def _guard(draft: Draft, sources: tuple[Source, ...], mark: str, parts: Parts) -> Guard:
    return Guard(meant(draft.query), sources, mark, parts.settings.answering.link_hosts)


def _nothing_found(draft: Draft, found: Found, parts: Parts) -> str:
    text, documents = nothing_found(found, parts.settings.answering.link_hosts)
    draft.corpora = found.corpora
    draft.used |= documents
    return text


def _open(draft: Draft, parts: Parts) -> None:
    with parts.database.transaction() as session:
        session.add(
            AnswerRow(
                id=draft.query.answer_id,
                user=draft.reader.user,
                key_id=draft.reader.key_id,
                question=draft.query.question,
                conversation_id=draft.conversation_id,
                status="open",
            )
        )
        asked: dict[str, Any] = {"question": draft.query.question} if parts.settings.audit.questions else {}
        audit.note(session, draft.reader, "answer.asked", draft.query.answer_id, **asked)


def _close(draft: Draft, parts: Parts) -> Answer:
    draft.stamp("total_ms")
    with parts.database.transaction() as session:
        row = session.get_one(AnswerRow, draft.query.answer_id)
        done = Answer(
            id=row.id,
            question=row.question,
            answer=draft.text,
            abstained=draft.status == "abstained",
            citations=tuple(draft.citations),
            cost=_cost(session, draft),
            model=draft.model,
            timings=draft.timings,
            created_at=row.created_at,
            note=draft.note,
            flags=tuple(sorted(draft.flags)),
            links=tuple(draft.links),
            conversation_id=row.conversation_id,
        )
        done = without_record(done, note_documents(session, row.id, draft.used))
        row.status, row.body = draft.status, body_of(done)
        row.corpora = list(draft.corpora)
        row.asked = None if draft.asked is None else list(draft.asked)
        ledger.note_outcome(session, row.id, draft.status)
        if draft.place is not None and draft.kept is None and _may_be_given_again(draft, done):
            cache.keep(session, draft.place, done, parts)
    return done


def _cost(session: Session, draft: Draft) -> Cost:
    cost = ledger.cost_of(session, draft.query.answer_id)
    if draft.kept is None:
        return cost
    return replace(cost, saved_usd=cache.saved_usd(session, draft.kept, (call.kind for call in cost.calls)))


def _may_be_given_again(draft: Draft, done: Answer) -> bool:
    """Tell whether an answer is whole, and nothing that was wrong with it came from the model."""
    whole = draft.status in ("answered", "abstained") and not done.withheld and CUT_AT_LIMIT not in done.note
    return whole and draft.flags <= {"instructions_in_sources", "sources_disagree"}
