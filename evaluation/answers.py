"""Answers of the API as they are measured: what they quote is held against the documents' own texts."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from decimal import Decimal
from threading import Lock
from typing import Any

from evaluation.client import Client, JsonObject
from evaluation.records import GivenAnswer, Quote

KEPT_CHARS = 20_000_000  # of documents' texts, so that a corpus of long reports fits into memory
# Where an answer states how sure it is that the documents answer the question; the first that it has is taken.
SCORES = ("confidence",)


class Answers:
    """Asks `POST /v1/answers`, and looks up each cited document once for its key and its text."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.perf_counter) -> None:
        self._client = client
        self._clock = clock
        self._keys: dict[str, str] = {}
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def ask(self, body: Mapping[str, Any]) -> GivenAnswer:
        """Ask one question with the fields of `body`, and check every quote of the answer at its span."""
        began = self._clock()
        given = self._client.post("/v1/answers", body)
        latency_ms = (self._clock() - began) * 1000
        calls = given["cost"]["calls"]
        return GivenAnswer(
            abstained=bool(given["abstained"]),
            cost_usd=Decimal(given["cost"]["total_usd"]),
            text=str(given["answer"]),
            quotes=tuple(self._quote(citation) for citation in given["citations"]),
            score=next((float(given[name]) for name in SCORES if given.get(name) is not None), None),
            input_tokens=sum(call["input_tokens"] for call in calls),
            output_tokens=sum(call["output_tokens"] for call in calls),
            saved_usd=Decimal(given["cost"].get("saved_usd", "0")),
            model=str(given["model"]),
            latency_ms=latency_ms,
        )

    def _quote(self, citation: JsonObject) -> Quote:
        document_id, quote = citation["document_id"], str(citation["quote"])
        start, end = citation["span"]
        return Quote(self._key(document_id), quote, self._text(document_id)[start:end] == quote)

    def _key(self, document_id: str) -> str:
        if document_id not in self._keys:
            self._keys[document_id] = str(self._client.get(f"/v1/documents/{document_id}")["key"])
        return self._keys[document_id]

    def _text(self, document_id: str) -> str:
        """Give a document's text, from memory where it was asked for lately."""
        with self._lock:
            if document_id in self._texts:
                self._texts.move_to_end(document_id)
                return self._texts[document_id]
        text = str(self._client.get(f"/v1/documents/{document_id}/text")["text"])
        with self._lock:
            self._texts[document_id] = text
            while len(self._texts) > 1 and sum(map(len, self._texts.values())) > KEPT_CHARS:
                self._texts.popitem(last=False)
        return text
