"""An answer as JSON, the shape that is stored and sent."""

from decimal import Decimal
from typing import Any

from moat.records import Answer, Call, Citation, Cost


def body_of(answer: Answer) -> dict[str, Any]:
    """Write an answer as plain JSON values; money as decimal strings."""
    return {
        "id": str(answer.id),
        "question": answer.question,
        "answer": answer.answer,
        "abstained": answer.abstained,
        "citations": [_citation(citation) for citation in answer.citations],
        "cost": cost_body(answer.cost),
        "model": answer.model,
        "timings": dict(answer.timings),
        "created_at": answer.created_at.isoformat(),
        "note": answer.note,
        "withheld": answer.withheld,
        "flags": list(answer.flags),
        "links": list(answer.links),
        "conversation_id": answer.conversation_id and str(answer.conversation_id),
    }


def cost_body(cost: Cost) -> dict[str, Any]:
    """Write a cost as plain JSON values."""
    return {
        "total_usd": dollars(cost.total_usd),
        "saved_usd": dollars(cost.saved_usd),
        "calls": [_call(call) for call in cost.calls],
    }


def dollars(amount: Decimal) -> str:
    """Write an amount exactly, without an exponent or idle zeros."""
    return format(amount.normalize(), "f") if amount else "0"


def _citation(citation: Citation) -> dict[str, Any]:
    return {
        "marker": citation.marker,
        "document_id": str(citation.document_id),
        "title": citation.title,
        "corpus": citation.corpus,
        "page": citation.page,
        "span": list(citation.span),
        "quote": citation.quote,
        "score": citation.score,
        "url": citation.url,
        "flags": list(citation.flags),
    }


def _call(call: Call) -> dict[str, Any]:
    return {
        "kind": call.kind,
        "provider": call.provider,
        "model": call.model,
        "input_tokens": call.input_tokens,
        "cached_tokens": call.cached_tokens,
        "output_tokens": call.output_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        "cost_usd": dollars(call.cost_usd),
        "usage": call.usage,
        "price_version": call.price_version,
        "attempt": call.attempt,
        "status": call.status,
    }
