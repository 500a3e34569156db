"""Calls on points: one function a remote procedure."""

from collections.abc import Iterable, Iterator

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import InvalidRequest
from services.edge.filters import edge_filter
from services.edge.queries import LIMIT, check_query
from services.edge.refusal import Unsupported, only
from services.edge.searches import Searches
from services.edge.shapes import check_vectors
from services.edge.store import Store
from services.edge.wire import (
    Id,
    edge_id,
    edge_ids,
    edge_payload,
    edge_point,
    payload_choice,
    vector_choice,
    wire_id,
    wire_record,
)

# Edge holds the interpreter for the whole of a call, and a waiting question needs it several times: small helpings
# keep the wait near 10 ms each, also when every point carries a vector a token.
POINTS_AT_ONCE = 64
BYTES_AT_ONCE = 512 * 1024

DONE = pb.UpdateResult(operation_id=0, status=pb.UpdateStatus.Completed)
INDEXES = {
    pb.FieldType.FieldTypeKeyword: edge.PayloadSchemaType.Keyword,
    pb.FieldType.FieldTypeInteger: edge.PayloadSchemaType.Integer,
    pb.FieldType.FieldTypeFloat: edge.PayloadSchemaType.Float,
    pb.FieldType.FieldTypeBool: edge.PayloadSchemaType.Bool,
    pb.FieldType.FieldTypeDatetime: edge.PayloadSchemaType.Datetime,
    pb.FieldType.FieldTypeUuid: edge.PayloadSchemaType.Uuid,
}


def upsert(store: Store, request: pb.UpsertPoints) -> pb.PointsOperationResponse:
    """Write points, a few at a time; what is acknowledged is in the write-ahead log and survives SIGKILL."""
    only(request, "collection_name", "points")
    with store.using(request.collection_name) as held:
        for point in request.points:
            if point.vectors.WhichOneof("vectors_options") == "vector":
                raise Unsupported("A vector without a name is not served by the embedded Qdrant: name it.")
            check_vectors(point.vectors.vectors.vectors, held.params)
    for points in _helpings(request.points):
        with store.using(request.collection_name, changes=True) as held:
            held.shard.update(edge.UpdateOperation.upsert_points(points))
    return pb.PointsOperationResponse(result=DONE)


def _helpings(points: Iterable[pb.PointStruct]) -> Iterator[list[edge.Point]]:
    helping: list[edge.Point] = []
    size = 0
    for point in points:
        helping.append(edge_point(point))
        size += point.ByteSize()
        if len(helping) == POINTS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield helping
            helping, size = [], 0
    if helping:
        yield helping


def delete_points(store: Store, request: pb.DeletePoints) -> pb.PointsOperationResponse:
    only(request, "collection_name", "points")
    chosen = _selected(request.points)
    if isinstance(chosen, edge.Filter):
        operation = edge.UpdateOperation.delete_points_by_filter(chosen)
    else:
        operation = edge.UpdateOperation.delete_points(chosen)
    return _update(store, request.collection_name, operation)


def set_payload(store: Store, request: pb.SetPayloadPoints) -> pb.PointsOperationResponse:
    """Overwrite the given keys of the chosen points' payloads."""
    only(request, "collection_name", "payload", "points_selector", "key")
    chosen = _selected(request.points_selector)
    payload, key = edge_payload(request.payload), request.key or None
    if isinstance(chosen, edge.Filter):
        operation = edge.UpdateOperation.set_payload_by_filter(chosen, payload, key)
    else:
        operation = edge.UpdateOperation.set_payload(chosen, payload, key)
    return _update(store, request.collection_name, operation)


def create_field_index(store: Store, request: pb.CreateFieldIndexCollection) -> pb.PointsOperationResponse:
    """Index a payload field; parameters beyond its type only tune a server."""
    only(request, "collection_name", "field_name", "field_type", "field_index_params")
    if not request.HasField("field_type") or request.field_type not in INDEXES:
        raise Unsupported(f"An index of type {request.field_type} is not served by the embedded Qdrant.")
    operation = edge.UpdateOperation.create_field_index(request.field_name, INDEXES[request.field_type])
    return _update(store, request.collection_name, operation)


def _selected(selector: pb.PointsSelector) -> edge.Filter | list[Id]:
    match selector.WhichOneof("points_selector_one_of"):
        case "points":
            return edge_ids(selector.points.ids)
        case "filter":
            return edge_filter(selector.filter) or edge.Filter()
        case _:
            raise InvalidRequest("Say which points: by ids or by a filter.")


def _update(store: Store, name: str, operation: edge.UpdateOperation) -> pb.PointsOperationResponse:
    with store.using(name, changes=True) as held:
        held.shard.update(operation)
    return pb.PointsOperationResponse(result=DONE)


def query(store: Store, request: pb.QueryPoints) -> pb.QueryResponse:
    check_query(request)
    with store.using(request.collection_name) as held:
        return pb.QueryResponse(result=Searches(held.shard).answer(request))


def query_batch(store: Store, request: pb.QueryBatchPoints) -> pb.QueryBatchResponse:
    only(request, "collection_name", "query_points")
    for one in request.query_points:
        check_query(one)
    with store.using(request.collection_name) as held:
        searches = Searches(held.shard)
        return pb.QueryBatchResponse(
            result=[pb.BatchResult(result=searches.answer(one)) for one in request.query_points]
        )


def get_points(store: Store, request: pb.GetPoints) -> pb.GetResponse:
    only(request, "collection_name", "ids", "with_payload", "with_vectors")
    ids = edge_ids(request.ids)
    with store.using(request.collection_name) as held:
        records = held.shard.retrieve(ids, payload_choice(request.with_payload), vector_choice(request.with_vectors))
    return pb.GetResponse(result=[wire_record(record) for record in records])


def scroll(store: Store, request: pb.ScrollPoints) -> pb.ScrollResponse:
    """List points by id, a page at a time."""
    only(request, "collection_name", "filter", "offset", "limit", "with_payload", "with_vectors")
    wanted = edge.ScrollRequest(
        offset=edge_id(request.offset) if request.HasField("offset") else None,
        limit=request.limit if request.HasField("limit") else LIMIT,
        filter=edge_filter(request.filter),
        with_payload=payload_choice(request.with_payload),
        with_vector=vector_choice(request.with_vectors),
    )
    with store.using(request.collection_name) as held:
        records, following = held.shard.scroll(wanted)
    return pb.ScrollResponse(
        result=[wire_record(record) for record in records],
        next_page_offset=None if following is None else wire_id(following),
    )


def count(store: Store, request: pb.CountPoints) -> pb.CountResponse:
    only(request, "collection_name", "filter", "exact")
    exact = request.exact if request.HasField("exact") else True
    with store.using(request.collection_name) as held:
        found = held.shard.count(edge.CountRequest(exact=exact, filter=edge_filter(request.filter)))
    return pb.CountResponse(result=pb.CountResult(count=found))
