"""Ids, payloads, vectors and selectors between Qdrant's wire form and Edge's."""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import InvalidRequest
from services.edge.refusal import Unsupported, only

Id = int | str | UUID  # as Edge takes and gives them


def edge_id(point_id: pb.PointId) -> int | str:
    """Read a point's id: an unsigned number or a UUID."""
    if point_id.WhichOneof("point_id_options") == "num":
        return int(point_id.num)
    try:
        return str(UUID(point_id.uuid))
    except ValueError:
        raise InvalidRequest(f"Unable to parse UUID: {point_id.uuid!r} is no point id.") from None


def edge_ids(point_ids: Iterable[pb.PointId]) -> list[Id]:
    """Read several ids, in order."""
    return [edge_id(point_id) for point_id in point_ids]


def wire_id(point_id: Id) -> pb.PointId:
    """Write a point's id."""
    return pb.PointId(num=point_id) if isinstance(point_id, int) else pb.PointId(uuid=str(point_id))


def edge_payload(payload: Mapping[str, pb.Value]) -> dict[str, Any]:
    """Read a payload as plain values."""
    return {key: _plain(value) for key, value in payload.items()}


def _plain(value: pb.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return edge_payload(value.struct_value.fields)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)


def fill_payload(fields: MutableMapping[str, pb.Value], payload: Mapping[str, Any] | None) -> None:
    """Write a payload where it is to stand: a message made apart is copied, which takes three times as long."""
    for key, value in (payload or {}).items():
        _fill(fields[key], value)


def _fill(written: pb.Value, value: Any) -> None:
    match value:
        case str():
            written.string_value = value
        case bool():  # before int, which it also is
            written.bool_value = value
        case int():
            written.integer_value = value
        case list():
            written.list_value.SetInParent()  # an empty list is one too
            for item in value:
                _fill(written.list_value.values.add(), item)
        case None:
            written.null_value = pb.NullValue.NULL_VALUE
        case float():
            written.double_value = value
        case dict():
            written.struct_value.SetInParent()
            fill_payload(written.struct_value.fields, value)
        case _:
            raise TypeError(f"a payload cannot hold {type(value).__name__}")


def edge_vector(vector: pb.Vector | pb.VectorInput, kind: str | None) -> Any:
    """Read a dense, sparse or multi vector; numbers stay in protobuf's arrays, which Edge reads fastest."""
    match kind:
        case "dense":
            return vector.dense.data
        case "sparse":
            return edge.SparseVector(list(vector.sparse.indices), list(vector.sparse.values))
        case "multi_dense":
            return [row.data for row in vector.multi_dense.vectors]
        case _:
            raise Unsupported(f"A vector given as {kind or 'deprecated fields'} is not served by the embedded Qdrant.")


def edge_point(point: pb.PointStruct) -> edge.Point:
    """Read a point with named vectors."""
    named = point.vectors.vectors.vectors
    vectors = {name: edge_vector(vector, vector.WhichOneof("vector")) for name, vector in named.items()}
    return edge.Point(edge_id(point.id), vectors, edge_payload(point.payload))


def wire_vectors(vectors: Any) -> pb.VectorsOutput | None:
    """Write a point's named vectors; None where none were asked for."""
    if vectors is None:
        return None
    named = {name: _vector(vector) for name, vector in vectors.items()}
    return pb.VectorsOutput(vectors=pb.NamedVectorsOutput(vectors=named))


def _vector(vector: Any) -> pb.VectorOutput:
    if isinstance(vector, edge.SparseVector):
        return pb.VectorOutput(sparse=pb.SparseVector(indices=vector.indices, values=vector.values))
    if vector and isinstance(vector[0], list):
        rows = [pb.DenseVector(data=row) for row in vector]
        return pb.VectorOutput(multi_dense=pb.MultiDenseVector(vectors=rows))
    return pb.VectorOutput(dense=pb.DenseVector(data=vector))


def payload_choice(selector: pb.WithPayloadSelector) -> Any:
    """Read which payload to return: all, none, or some keys."""
    match selector.WhichOneof("selector_options"):
        case "include":
            return list(selector.include.fields)
        case "exclude":
            return edge.PayloadSelector.Exclude(list(selector.exclude.fields))
        case _:
            return bool(selector.enable)


def vector_choice(selector: pb.WithVectorsSelector) -> bool | list[str]:
    """Read which vectors to return: all, none, or some names."""
    only(selector, "enable", "include")
    if selector.WhichOneof("selector_options") == "include":
        return list(selector.include.names)
    return bool(selector.enable)


def wire_record(record: edge.Record) -> pb.RetrievedPoint:
    """Write a point without a score."""
    written = pb.RetrievedPoint(id=wire_id(record.id), vectors=wire_vectors(record.vector))
    fill_payload(written.payload, record.payload)
    return written


def wire_scored(point: edge.ScoredPoint, payload: Mapping[str, Any] | None) -> pb.ScoredPoint:
    """Write a point with its score, and what of its payload was asked for."""
    written = pb.ScoredPoint(
        id=wire_id(point.id), score=point.score, version=point.version, vectors=wire_vectors(point.vector)
    )
    fill_payload(written.payload, payload)
    return written
