"""A worker whose every embedded text is written down: `python -m tests.fakes.counting_worker`.

COUNTING_LOG names the file, a line a text. COUNTING_PAUSE_S makes every batch take that long, so that faults find
it at work. COUNTING_WORDS=1 uses the words embedder in place of a model.
"""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from moat.embedder import Embedder, Embedders
from moat.llm.embedders import EmbedderSource
from moat.records import Vector
from moat.settings import Settings
from tests.fakes.embedder import WordsEmbedder
from workers.app import run


class CountingEmbedder:
    """An embedder that tells what it was asked to embed before it does."""

    def __init__(self, inner: Embedder, log: Path, pause_s: float) -> None:
        self.name, self.dimension, self.max_tokens = inner.name, inner.dimension, inner.max_tokens
        self.gives_tokens, self.words_stand_alone = inner.gives_tokens, inner.words_stand_alone
        self._inner = inner
        self._log = log
        self._pause_s = pause_s

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        self._tell(texts)
        return self._inner.embed_texts(texts)

    def embed_texts_and_tokens(self, texts: Sequence[str]) -> tuple[Vector, list[Vector]]:
        self._tell(texts)
        return self._inner.embed_texts_and_tokens(texts)

    def _tell(self, texts: Sequence[str]) -> None:
        lines = "".join(f"{os.getpid()} {fingerprint_of(text)}\n" for text in texts)
        with self._log.open("a") as log:
            log.write(lines)
        time.sleep(self._pause_s)

    def embed_question(self, question: str) -> Vector:
        return self._inner.embed_question(question)

    def embed_question_and_tokens(self, question: str) -> tuple[Vector, Vector]:
        return self._inner.embed_question_and_tokens(question)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return self._inner.token_spans(text)


class CountingEmbedders:
    """Gives counting embedders by name."""

    def __init__(self, inner: EmbedderSource, log: Path, pause_s: float) -> None:
        self._inner = inner
        self._log = log
        self._pause_s = pause_s

    def get(self, name: str) -> Embedder:
        return CountingEmbedder(self._inner.get(name), self._log, self._pause_s)


class WordsEmbedders:
    """The words embedder, in MiniLM's dimension, under any name."""

    def get(self, name: str) -> Embedder:
        return WordsEmbedder(name, dimension=384)


def fingerprint_of(text: str) -> str:
    """Name a text in the log."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def main() -> int:
    settings = Settings.load()
    inner: EmbedderSource = WordsEmbedders() if os.environ.get("COUNTING_WORDS") else Embedders(settings.embedder)
    log, pause_s = Path(os.environ["COUNTING_LOG"]), float(os.environ.get("COUNTING_PAUSE_S", "0"))
    return run(settings, CountingEmbedders(inner, log, pause_s))


if __name__ == "__main__":
    sys.exit(main())
