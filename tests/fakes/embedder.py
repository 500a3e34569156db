"""An embedder without a model: a hashed bag of stemmed words, the same on every run and machine."""

import re
from collections.abc import Sequence

import mmh3
import numpy as np

from moat.late_interaction import Vocabulary
from moat.records import Vector, WordPieces
from moat.sparse import terms

_PIECE = re.compile(r"\w+|[^\w\s]")


class WordsEmbedder:
    """Texts that share words are near each other; `texts` counts what was embedded. A word's vector is its own."""

    gives_tokens = True
    words_stand_alone = True

    def __init__(self, name: str = "words", dimension: int = 64, max_tokens: int = 256) -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.texts: list[str] = []
        self.questions: list[str] = []

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        self.texts += texts
        return np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, self.dimension), np.float32)

    def embed_question(self, question: str) -> Vector:
        self.questions.append(question)
        return self._vector(question)

    def embed_texts_and_tokens(self, texts: Sequence[str]) -> tuple[Vector, list[Vector]]:
        return self.embed_texts(texts), [_vocabulary(text).of_chunk(self._read(text)) for text in texts]

    def embed_question_and_tokens(self, question: str) -> tuple[Vector, Vector]:
        return self.embed_question(question), _vocabulary(question).of_question(self._read(question))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _PIECE.finditer(text)]

    def _read(self, text: str) -> WordPieces:
        words = _pieces(text)
        return WordPieces(np.arange(len(words)), np.stack([self._vector(word) for word in words]))

    def _vector(self, text: str) -> Vector:
        vector = np.zeros(self.dimension, dtype=np.float32)
        for term in terms(text):
            vector[mmh3.hash(term, signed=False) % self.dimension] += 1.0
        length = float(np.linalg.norm(vector))
        if not length:  # a text without a word still needs a unit vector
            vector[0] = length = 1.0
        return vector / np.float32(length)


def _pieces(text: str) -> list[str]:
    return sorted(set(_PIECE.findall(text))) or [""]


def _vocabulary(text: str) -> Vocabulary:
    return Vocabulary({f"{word}/": at for at, word in enumerate(_pieces(text))})


class FakeEmbedders:
    """Gives one fake per name, like `moat.embedder.Embedders`."""

    def __init__(self, dimensions: dict[str, int] | None = None) -> None:
        self._dimensions = dimensions or {}
        self._made: dict[str, WordsEmbedder] = {}

    def get(self, name: str) -> WordsEmbedder:
        return self._made.setdefault(name, WordsEmbedder(name, self._dimensions.get(name, 64)))
