"""BM25 as sparse vectors: term weights here, inverse document frequency in Qdrant."""

import re
import threading
from collections import Counter

import mmh3
import Stemmer

from moat.records import SparseVector

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), usual constants.
K1 = 1.2
B = 0.75
# Chunks are cut to a token budget, so their mean length is a constant and no corpus statistic is needed.
AVERAGE_WORDS = 160.0
_WORD = re.compile(r"\w+")
_stemmers = threading.local()


def terms(text: str, language: str = "english") -> list[str]:
    """Split into lower-case, stemmed words."""
    stemmer = getattr(_stemmers, language, None)
    if stemmer is None:  # Snowball's C stemmers are not safe across threads
        stemmer = Stemmer.Stemmer(language)
        setattr(_stemmers, language, stemmer)
    stemmed: list[str] = stemmer.stemWords(_WORD.findall(text.lower()))
    return stemmed


def encode_chunk(text: str) -> SparseVector:
    """Weigh a chunk's terms by BM25 without the IDF factor."""
    counts = Counter(_hash(term) for term in terms(text))
    length = sum(counts.values())
    norm = K1 * (1 - B + B * length / AVERAGE_WORDS)
    return SparseVector(tuple(counts), tuple(f * (K1 + 1) / (f + norm) for f in counts.values()))


def encode_question(text: str) -> SparseVector:
    """Give each of a question's terms the weight one."""
    unique = tuple(dict.fromkeys(_hash(term) for term in terms(text)))
    return SparseVector(unique, (1.0,) * len(unique))


def _hash(term: str) -> int:
    return mmh3.hash(term, signed=False)
