"""One text a forward pass, several passes at once: how every engine of ours embeds."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from moat.late_interaction import Vocabulary
from moat.records import Vector, WordPieces
from moat.settings import EmbedderSettings


class ForwardPasses(Protocol):
    """Embeds through `_forward`, which an engine brings; safe to call from several threads.

    Each text is a forward pass with one core to itself: what a pass works on then stays in that core's cache, nothing
    is padded, and a question need not wait for a batch of chunks.
    """

    dimension: int
    _passes: ThreadPoolExecutor
    _vocabulary: Vocabulary

    def _forward(self, text: str) -> tuple[Vector, WordPieces]:
        """Embed one text: shape (dimension,), float32, unit length; and its word pieces."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        return self._stacked([vector for vector, _ in self._passes.map(self._forward, texts)])

    def embed_question(self, question: str) -> Vector:
        return self._passes.submit(self._forward, question).result()[0]

    def embed_texts_and_tokens(self, texts: Sequence[str]) -> tuple[Vector, list[Vector]]:
        # Reduced inside the pass: the vectors of all pieces of a batch would be hundreds of megabytes.
        def both(text: str) -> tuple[Vector, Vector]:
            vector, read = self._forward(text)
            return vector, self._vocabulary.of_chunk(read)

        made = list(self._passes.map(both, texts))
        return self._stacked([vector for vector, _ in made]), [tokens for _, tokens in made]

    def embed_question_and_tokens(self, question: str) -> tuple[Vector, Vector]:
        vector, read = self._passes.submit(self._forward, question).result()
        return vector, self._vocabulary.of_question(read)

    def _stacked(self, vectors: list[Vector]) -> Vector:
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), dtype=np.float32)


def passes_at_once(settings: EmbedderSettings) -> int:
    """Say how many passes run at once."""
    return settings.passes or os.cpu_count() or 1
