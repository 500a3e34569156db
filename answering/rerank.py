"""The best candidates read once more, by a model that sees question and passage together, in bounded time."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, replace

from answering.left_out import LATE, reason
from moat.answering_settings import AnsweringSettings
from moat.cross_encoder import CrossEncoderReranker, Reranker
from moat.errors import MoatError, ModelNotAllowed
from moat.llm.blocking import BlockingGateway
from moat.llm.embedders import Purpose
from moat.records import ArmScore, Passage

log = logging.getLogger(__name__)

RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class Reranked:
    """The passages in their new order, or in the old one with the reason why."""

    passages: list[Passage]
    skipped: str = ""


class Reranking:
    """Reranks with the model of the settings, loaded at first use; without one, and when it is late, order stays."""

    def __init__(self, settings: AnsweringSettings, load: Callable[[str], Reranker] = CrossEncoderReranker) -> None:
        self._settings = settings
        self._load = load
        self._loaded: Reranker | None = None
        self._loading = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="rerank")

    def warm(self) -> None:
        """Load the model, so that the first question does not wait for it; raises `InvalidRequest` without one."""
        if self._settings.reranker:
            self._reranker()

    def charged(self, purpose: Purpose) -> "Reranking":
        """Charge what it takes to somebody; what runs on this machine costs nothing."""
        return self

    def __call__(self, question: str, passages: list[Passage]) -> Reranked:
        """Order the first candidates by the model's scores, if it says them before the deadline."""
        if not self._settings.reranker or not passages:
            return Reranked(passages)
        first = passages[: self._settings.rerank_passages]
        try:
            scores = self._in_time(question, [passage.text for passage in first])
        except (MoatError, OSError, RuntimeError, ValueError) as error:  # what loading and running a model raises
            log.warning("reranking is left out: %s", error)
            return Reranked(passages, reason(error))
        if len(scores) < len(first):
            return Reranked(passages, LATE)
        return Reranked(_ordered(first, scores) + passages[len(first) :])

    def _in_time(self, question: str, texts: Sequence[str]) -> list[float]:
        """Give the scores, fewer or TimeoutError when it is too late."""
        deadline = time.monotonic() + self._settings.rerank_deadline_s
        future: Future[list[float]] = self._pool.submit(self._scores, question, texts, deadline)
        try:
            return future.result(self._settings.rerank_deadline_s)
        except Late:
            future.cancel()
            raise

    def _scores(self, question: str, texts: Sequence[str], deadline: float) -> list[float]:
        return self._reranker().scores(question, texts, lambda: time.monotonic() < deadline)

    def _reranker(self) -> Reranker:
        with self._loading:
            self._loaded = self._loaded or self._load(self._settings.reranker)
            return self._loaded


class PaidReranking(Reranking):
    """Reranks with a provider's model, when there is somebody to charge it to."""

    def __init__(self, settings: AnsweringSettings, calls: BlockingGateway, purpose: Purpose | None = None) -> None:
        super().__init__(settings)
        self._calls = calls
        self._purpose = purpose

    def warm(self) -> None:
        """There is nothing to load."""

    def charged(self, purpose: Purpose) -> "PaidReranking":
        return PaidReranking(self._settings, self._calls, purpose)

    def _in_time(self, question: str, texts: Sequence[str]) -> list[float]:
        name, limit_s = self._settings.reranker, self._settings.rerank_deadline_s
        if self._purpose is None:
            raise ModelNotAllowed(f"Nobody is charged for a call of {name} here, so none is made.")
        purpose = replace(self._purpose(), kind=RERANK)
        return self._calls.rerank(name, question, texts, purpose=purpose, timeout_s=limit_s)


def _ordered(passages: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    """Order by score; each passage keeps the number of its place, and gets the model's as an arm."""
    best = sorted(zip(scores, passages, strict=True), key=lambda pair: -pair[0])
    return [
        replace(passage, score=place.score, arms={**passage.arms, RERANK: ArmScore(rank, round(score, 6))})
        for rank, ((score, passage), place) in enumerate(zip(best, passages, strict=True), 1)
    ]
