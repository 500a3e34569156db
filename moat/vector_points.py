"""A chunk as a point of Qdrant."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import grpc as pb
from qdrant_client import models
from qdrant_client.conversions.conversion import RestToGrpc

from moat.records import EmbeddedChunk, Vector
from moat.vector_search import DENSE, SPARSE, TOKENS, Hit

_LENGTH_DELIMITED_1 = b"\x0a"  # the tag of field 1: a row of MultiDenseVector, the packed numbers of DenseVector


def point(id_: UUID, common: Mapping[str, Any], embedded: EmbeddedChunk) -> models.PointStruct:
    """Write a chunk with its vectors and its payload, of which `common` is the same for the whole document."""
    chunk = embedded.chunk
    vector: dict[str, Any] = {
        DENSE: embedded.dense.tolist(),
        SPARSE: models.SparseVector(indices=list(embedded.sparse.indices), values=list(embedded.sparse.values)),
    }
    if embedded.tokens is not None:
        vector[TOKENS] = embedded.tokens.tolist()
    payload = {
        **common,
        "ordinal": chunk.ordinal,
        "page": chunk.page,
        "page_starts": [list(place) for place in chunk.page_starts],
        "span": [chunk.start, chunk.end],
        "heading_path": list(chunk.heading_path),
        "text": chunk.text,
    }
    return models.PointStruct(id=str(id_), vector=vector, payload=payload)


def message(id_: UUID, common: Mapping[str, Any], embedded: EmbeddedChunk) -> pb.PointStruct:
    """Write the same as a gRPC message; the client's own way takes a Python float for each of 14,000 numbers."""
    tokens = embedded.tokens
    bare = EmbeddedChunk(embedded.chunk, embedded.dense, embedded.sparse)
    written = RestToGrpc.convert_point_struct(point(id_, common, bare))
    if tokens is not None:
        written.vectors.vectors.vectors[TOKENS].multi_dense.MergeFromString(_rows(tokens))
    return written


def hit_of_message(found: pb.ScoredPoint) -> Hit:
    """Read a point's payload as it came over the wire, where the client's own way makes a model of each value."""
    payload = found.payload
    start, end = payload["span"].list_value.values
    page = payload["page"]
    return Hit(
        id=UUID(found.id.uuid),
        document_id=UUID(payload["document_id"].string_value),
        version=payload["version"].integer_value,
        ordinal=payload["ordinal"].integer_value,
        page=page.integer_value if page.HasField("integer_value") else None,
        span=(start.integer_value, end.integer_value),
        text=payload["text"].string_value,
        heading_path=tuple(heading.string_value for heading in payload["heading_path"].list_value.values),
        page_starts=tuple(_pair(starts) for starts in payload["page_starts"].list_value.values),
    )


def _pair(value: pb.Value) -> tuple[int, int]:
    one, other = value.list_value.values
    return one.integer_value, other.integer_value


def _rows(tokens: Vector) -> bytes:
    """Encode rows as protobuf does: each a message of packed little-endian floats."""
    numbers = _LENGTH_DELIMITED_1 + _varint(tokens.shape[1] * 4)
    head = _LENGTH_DELIMITED_1 + _varint(len(numbers) + tokens.shape[1] * 4) + numbers
    return b"".join(head + row.tobytes() for row in tokens.astype(np.dtype("<f4")))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
