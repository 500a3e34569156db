"""A provider's embedder and reranker that bill by the word, with prices that make sums easy to check."""

import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.fakes.dialect import Dialect, ranked
from tests.fakes.embedder import WordsEmbedder

DIMENSION = 64
EMBED, RANK = "fake/embed", "fake/rank"
WORD_USD = Decimal("0.0001")
SEARCH_USD = Decimal("0.002")
MODELS: dict[str, dict[str, Any]] = {
    EMBED: {"kind": "embedding", "dimension": DIMENSION, "context_window": 512, "input_usd_per_million": "100"},
    RANK: {"kind": "rerank", "usd_per_thousand_searches": "2"},
}


class Billing(Dialect):
    """OpenAI's protocol; `texts` and `billed_words` are what its log says. It waits before a request when told to."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.batches: list[list[str]] = []
        self.billed_words = 0
        self.searches = 0
        self.waits_at = 0  # the number of the request that waits
        self.reached, self.go = threading.Event(), threading.Event()
        self._words = WordsEmbedder(dimension=DIMENSION)

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        texts = list(body["input"])
        self.batches.append(texts)
        self.texts += texts
        if len(self.batches) == self.waits_at:
            self.reached.set()
            self.go.wait(30)
        words = sum(len(text.split()) for text in texts)
        self.billed_words += words
        vectors = self._words.embed_texts(texts) * 3  # not of unit length: that is not promised
        data = [{"object": "embedding", "index": n, "embedding": v.tolist()} for n, v in enumerate(vectors)]
        usage = {"prompt_tokens": words, "total_tokens": words}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}

    def reranked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.searches += 1
        return {"id": "rerank", "results": ranked(body["documents"]), "usage": {"search_units": 1, "total_tokens": 12}}
