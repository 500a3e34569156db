"""Late interaction: which of a text's word-piece vectors are kept, and with which of them a question asks.

Each row of a question looks for its nearest row of a chunk, and the sum of these products is the chunk's score (Khattab
and Zaharia, "ColBERT", 2020). The vectors are an ordinary sentence embedder's own: they cost no other forward pass.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from moat.records import Vector, WordPieces

# Raise it when something else is kept of the same text.
FORM = "tokens1"
# So many neighbours become one row, their mean: a third of the disk and of the work, and no loss in accuracy.
POOLED = 3
# What the commonest pieces weigh in a question; the rarest weigh one.
_LEAST = 0.1
_LETTER = re.compile(r"\w")
# What some tokenizers write before a word's first piece. [CLS], </s> and their like are marks.
_BEGINNING = "▁Ġ"
_MARK = re.compile(r"\[[A-Z]+\]|<[^<>\s]+>")
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about after all am an and any are as at be been before being but by can could did do does doing for from "
        "had has have having he her here him his how i if in into is it its itself just like me more most much must "
        "my need no nor not of off on once one only or other our out over own same she should so some such s t than "
        "that the their them then there these they this those through to too under until up us very was we were what "
        "when where which while who whom whose why will with would you your",
    )
)
# Any of these is among the commonest words of a vocabulary that has it.
_COMMONEST = ("the", "▁the", "Ġthe", "▁de")


class Vocabulary:
    """What is known of an embedder's word pieces, by their ids."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        size = 1 + max(ids.values(), default=0)
        self._telling: NDArray[np.bool_] = np.zeros(size, np.bool_)
        for piece, at in ids.items():
            self._telling[at] = _tells(piece)
        self._weights = _weights(size, min((ids[word] for word in _COMMONEST if word in ids), default=None))

    def of_chunk(self, read: WordPieces) -> Vector:
        """Give the rows to keep of a chunk: its telling pieces, pooled with their neighbours, of unit length."""
        telling = self._telling[read.ids]
        rows = read.vectors[telling] if telling.any() else read.vectors
        return _unit(np.add.reduceat(rows, np.arange(0, len(rows), POOLED), axis=0))

    def of_question(self, read: WordPieces) -> Vector:
        """Give the rows to ask with: every piece's, the longer the rarer it is, all of them together one long."""
        weights = self._weights[read.ids]
        rows: Vector = read.vectors * (weights / weights.sum())[:, None]
        return rows


def _tells(piece: str) -> bool:
    word = piece.lower().lstrip(_BEGINNING)  # a word's later pieces begin with ## and are no words themselves
    return bool(_LETTER.search(word)) and word not in _FUNCTION_WORDS and not _MARK.fullmatch(piece)


def _weights(size: int, commonest: int | None) -> Vector:
    """Weigh pieces by their place: vocabularies stand in the order of how common their pieces were (Zipf's law)."""
    if commonest is None:  # in what order this one stands is not known
        return np.ones(size, np.float32)
    places = np.maximum(np.arange(size) - commonest + 1, 1)
    weights: Vector = np.clip(np.log(places) / np.log(places[-1]), _LEAST, 1).astype(np.float32)
    return weights


def _unit(rows: Vector) -> Vector:
    unit: Vector = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
    return unit
