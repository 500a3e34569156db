"""One text a forward pass, several passes at once: how every engine of ours embeds."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from moat.records import Vector
from moat.settings import EmbedderSettings


class ForwardPasses(Protocol):
    """Embeds through `_forward`, which an engine brings; safe to call from several threads.

    Each text is a forward pass with one core to itself: what a pass works on then stays in that core's cache, nothing
    is padded, and a question need not wait for a batch of chunks.
    """

    dimension: int
    _passes: ThreadPoolExecutor

    def _forward(self, text: str) -> Vector:
        """Embed one text: shape (dimension,), float32, unit length."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for at, vector in enumerate(self._passes.map(self._forward, texts)):
            vectors[at] = vector
        return vectors

    def embed_question(self, question: str) -> Vector:
        return self._passes.submit(self._forward, question).result()


def passes_at_once(settings: EmbedderSettings) -> int:
    """Say how many passes run at once."""
    return settings.passes or os.cpu_count() or 1
