"""Vectors by the hash of what was embedded, many in one blob: 16 bytes of name and two a dimension for each.

Layout: a magic word, the count and the dimension, every name, every vector (little-endian float16).
"""

import hashlib
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from moat.embedder import Embedder

Half = NDArray[np.float16]

_HEAD = struct.Struct("<4sII")
_MAGIC = b"MVP1"
_KEY_BYTES = 16
_FLOAT16 = np.dtype("<f2")


def key(embedder: Embedder, text: str) -> bytes:
    """Name the vector that this embedder makes of this text."""
    # "replace" as the blobs of text do: half a surrogate pair cannot be written.
    named = f"{embedder.name}\0{embedder.dimension}\0{text}".encode("utf-8", "replace")
    return hashlib.sha256(named).digest()[:_KEY_BYTES]


def dump_pack(vectors: Mapping[bytes, Half]) -> bytes:
    """Write vectors of one dimension with their names; `load_pack` gives equal ones back."""
    matrix = np.stack(list(vectors.values())).astype(_FLOAT16) if vectors else np.zeros((0, 0), _FLOAT16)
    return b"".join((_HEAD.pack(_MAGIC, *matrix.shape), *vectors, matrix.tobytes()))


def load_pack(data: bytes) -> dict[bytes, Half]:
    """Read what `dump_pack` wrote; raises `ValueError` when it is something else."""
    if len(data) < _HEAD.size:
        raise ValueError("A pack of vectors is too short.")
    magic, count, dimension = _HEAD.unpack_from(data)
    begin = _HEAD.size + count * _KEY_BYTES
    if magic != _MAGIC or len(data) != begin + count * dimension * _FLOAT16.itemsize:
        raise ValueError("A pack of vectors is cut off or is none.")
    matrix = np.frombuffer(data, _FLOAT16, offset=begin).reshape(count, dimension)
    names = (data[at : at + _KEY_BYTES] for at in range(_HEAD.size, begin, _KEY_BYTES))
    return dict(zip(names, matrix, strict=True))
