"""Vectors by the hash of what was embedded, many in one blob.

Layout (little-endian): a magic word, the count and the dimension; every name (16 bytes); how many token vectors each
has (two bytes); every text's vector (float16); the scale of every token vector (float32); every token vector (int8).
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from moat import late_interaction
from moat.embedder import Embedder
from moat.records import Vector

_HEAD = struct.Struct("<4sII")
_MAGIC = b"MVP2"
_KEY_BYTES = 16
_FLOAT16, _FLOAT32, _COUNT = np.dtype("<f2"), np.dtype("<f4"), np.dtype("<u2")
_STEPS = 127  # of an int8 on either side of zero


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One text's vectors as they are kept; `tokens` has no rows where none are wanted."""

    vector: NDArray[np.float16]
    scales: Vector  # what each row of `tokens` is multiplied by
    tokens: NDArray[np.int8]

    @classmethod
    def of(cls, vector: Vector, tokens: Vector | None = None) -> Self:
        """Round vectors to what is kept of them: a text's to float16, those of its words to eight bits a number."""
        rows = np.zeros((0, len(vector)), np.float32) if tokens is None else tokens
        scales = (np.abs(rows).max(axis=1, initial=1e-4) / _STEPS).astype(_FLOAT32)
        steps = np.rint(rows / scales[:, None]).clip(-_STEPS, _STEPS)
        return cls(vector.astype(_FLOAT16), scales, steps.astype(np.int8))

    def text_vector(self) -> Vector:
        """Give the vector of the whole text."""
        return self.vector.astype(np.float32)

    def token_vectors(self) -> Vector | None:
        """Give the vectors of its words; None where none are kept."""
        return self.tokens * self.scales[:, None] if len(self.tokens) else None


def key(embedder: Embedder, text: str, *, tokens: bool = False) -> bytes:
    """Name the vectors that this embedder makes of this text."""
    form = f"\0{late_interaction.FORM}" if tokens else ""
    # "replace" as the blobs of text do: half a surrogate pair cannot be written.
    named = f"{embedder.name}\0{embedder.dimension}{form}\0{text}".encode("utf-8", "replace")
    return hashlib.sha256(named).digest()[:_KEY_BYTES]


def dump_pack(vectors: Mapping[bytes, Kept]) -> bytes:
    """Write vectors of one dimension with their names; `load_pack` gives equal ones back."""
    kept = list(vectors.values())
    dimension = len(kept[0].vector) if kept else 0
    counts = np.array([len(one.scales) for one in kept], _COUNT)
    columns = ([one.vector for one in kept], [one.scales for one in kept], [one.tokens for one in kept])
    body = (part.tobytes() for column in columns for part in column)
    return b"".join((_HEAD.pack(_MAGIC, len(kept), dimension), *vectors, counts.tobytes(), *body))


def load_pack(data: bytes) -> dict[bytes, Kept]:
    """Read what `dump_pack` wrote; raises `ValueError` when it is something else."""
    if len(data) < _HEAD.size:
        raise ValueError("A pack of vectors is too short.")
    magic, count, dimension = _HEAD.unpack_from(data)
    counted = _HEAD.size + count * _KEY_BYTES
    begin = counted + count * _COUNT.itemsize
    if magic != _MAGIC or len(data) < begin:
        raise ValueError("A pack of vectors is cut off or is none.")
    counts = np.frombuffer(data, _COUNT, count, counted)
    rows = int(counts.sum())
    scaled = begin + count * dimension * _FLOAT16.itemsize
    tokened = scaled + rows * _FLOAT32.itemsize
    if len(data) != tokened + rows * dimension:
        raise ValueError("A pack of vectors is cut off or is none.")
    matrix = np.frombuffer(data, _FLOAT16, count * dimension, begin).reshape(count, dimension)
    borders = np.cumsum(counts)[:-1]
    scales = np.split(np.frombuffer(data, _FLOAT32, rows, scaled), borders)
    tokens = np.split(np.frombuffer(data, np.int8, rows * dimension, tokened).reshape(rows, dimension), borders)
    names = (data[at : at + _KEY_BYTES] for at in range(_HEAD.size, counted, _KEY_BYTES))
    return {name: Kept(*parts) for name, parts in zip(names, zip(matrix, scales, tokens, strict=False), strict=True)}
