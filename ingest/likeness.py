"""What a text is like: a MinHash signature that near-duplicates share, and its language."""

from dataclasses import dataclass

import mmh3
import numpy as np
from numpy.typing import NDArray

Signature = NDArray[np.uint32]

# Broder, "On the resemblance and containment of documents" (1997); 128 hashes estimate a resemblance of 0.8 within
# 0.035. Two texts of 0.8 share at least one of 16 bands of 8 with a probability of 0.95, of 0.9 with 0.9999.
HASHES, BANDS = 128, 16
NEAR = 0.8
_SHINGLE_WORDS = 5
_AT_ONCE = 4096
_LANGUAGE_CHARS = 1500
# Fewer letters than these say nothing certain of a language.
_LANGUAGE_LETTERS = 20
_random = np.random.default_rng(1997)
_FACTORS = _random.integers(0, 2**63, HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SHIFTS = _random.integers(0, 2**63, HASHES, dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """A text's signature, and its language by ISO 639-1, empty where there is too little text to tell."""

    signature: Signature
    language: str

    def bands(self) -> list[int]:
        """Give a number for each band of the signature: near-duplicates have one in common."""
        rows = self.signature.reshape(BANDS, -1)
        return [mmh3.hash64(bytes([number]) + row.tobytes())[0] for number, row in enumerate(rows)]


def likeness(text: str, language: str | None = None) -> Likeness:
    """Tell what a text is like, from its words alone; `language` where it is known already."""
    return Likeness(_signature(text), language_of(text) if language is None else language)


def resemblance(one: Signature, other: Signature) -> float:
    """Estimate which share of their five-word runs two texts have in common, from 0 to 1."""
    return float(np.mean(one == other))


def _signature(text: str) -> Signature:
    words = text.lower().split()
    runs = {" ".join(words[at : at + _SHINGLE_WORDS]) for at in range(max(1, len(words) - _SHINGLE_WORDS + 1))}
    hashes = np.fromiter((mmh3.hash(run, signed=False) for run in runs), np.uint64, len(runs))
    lowest = np.full(HASHES, np.iinfo(np.uint32).max, np.uint32)
    for at in range(0, len(hashes), _AT_ONCE):
        # Multiply-shift: Dietzfelbinger et al., "A reliable randomized algorithm for the closest-pair problem" (1997).
        spread = (hashes[at : at + _AT_ONCE, None] * _FACTORS + _SHIFTS) >> np.uint64(32)
        lowest = np.minimum(lowest, spread.min(axis=0).astype(np.uint32))
    return lowest


def language_of(text: str) -> str:
    """Name a text's language by ISO 639-1; empty where there is too little text to tell."""
    # Imported with the first document: it reads its model then, a tenth of a second.
    import py3langid

    middle = max(0, (len(text) - _LANGUAGE_CHARS) // 2)
    sample = text[middle : middle + _LANGUAGE_CHARS]
    if sum(map(str.isalpha, sample)) < _LANGUAGE_LETTERS and sample.isascii():
        return ""
    return str(py3langid.classify(sample)[0])
