"""What each call does: one function a remote procedure, and the table that names them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import InvalidRequest, NotFound
from services.edge.filters import edge_filter
from services.edge.queries import LIMIT, query_request
from services.edge.refusal import Unsupported, only
from services.edge.shapes import check_vectors, declared
from services.edge.store import ENGINE, Store
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
    wire_scored,
)

# Edge holds the interpreter for the whole of a call: 64 points keep a waiting question under 20 ms.
POINTS_AT_ONCE = 64

DONE = pb.UpdateResult(operation_id=0, status=pb.UpdateStatus.Completed)
INDEXES = {
    pb.FieldType.FieldTypeKeyword: edge.PayloadSchemaType.Keyword,
    pb.FieldType.FieldTypeInteger: edge.PayloadSchemaType.Integer,
    pb.FieldType.FieldTypeFloat: edge.PayloadSchemaType.Float,
    pb.FieldType.FieldTypeBool: edge.PayloadSchemaType.Bool,
    pb.FieldType.FieldTypeDatetime: edge.PayloadSchemaType.Datetime,
    pb.FieldType.FieldTypeUuid: edge.PayloadSchemaType.Uuid,
}
SCHEMAS = {
    edge.PayloadSchemaType.Keyword: pb.PayloadSchemaType.Keyword,
    edge.PayloadSchemaType.Integer: pb.PayloadSchemaType.Integer,
    edge.PayloadSchemaType.Float: pb.PayloadSchemaType.Float,
    edge.PayloadSchemaType.Bool: pb.PayloadSchemaType.Bool,
    edge.PayloadSchemaType.Datetime: pb.PayloadSchemaType.Datetime,
    edge.PayloadSchemaType.Uuid: pb.PayloadSchemaType.Uuid,
}


def health(store: Store, request: pb.HealthCheckRequest) -> pb.HealthCheckReply:
    """Name the engine; the version is the one of the protocol spoken."""
    return pb.HealthCheckReply(title=f"Moat's embedded Qdrant ({ENGINE})", version="1.20.0")


def create_collection(store: Store, request: pb.CreateCollection) -> pb.CollectionOperationResponse:
    store.create(request.collection_name, declared(request))
    return pb.CollectionOperationResponse(result=True)


def delete_collection(store: Store, request: pb.DeleteCollection) -> pb.CollectionOperationResponse:
    return pb.CollectionOperationResponse(result=store.delete(request.collection_name))


def collection_exists(store: Store, request: pb.CollectionExistsRequest) -> pb.CollectionExistsResponse:
    name, present = request.collection_name, store.catalog()
    exists = name in present.collections or name in present.aliases
    return pb.CollectionExistsResponse(result=pb.CollectionExists(exists=exists))


def list_collections(store: Store, request: pb.ListCollectionsRequest) -> pb.ListCollectionsResponse:
    names = store.catalog().collections
    return pb.ListCollectionsResponse(collections=[pb.CollectionDescription(name=name) for name in names])


def get_collection(store: Store, request: pb.GetCollectionInfoRequest) -> pb.GetCollectionInfoResponse:
    with store.using(request.collection_name) as held:
        info, params = held.shard.info(), held.params
    schema = {
        key: pb.PayloadSchemaInfo(data_type=SCHEMAS[index.data_type], points=index.points)
        for key, index in info.payload_schema.items()
    }
    config = pb.CollectionConfig(
        params=params,
        hnsw_config=pb.HnswConfigDiff(m=0, ef_construct=4, full_scan_threshold=0),  # there is no HNSW graph
        optimizer_config=pb.OptimizersConfigDiff(
            deleted_threshold=0.2, vacuum_min_vector_number=1000, default_segment_number=1, flush_interval_sec=30
        ),
        wal_config=pb.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
    )
    return pb.GetCollectionInfoResponse(
        result=pb.CollectionInfo(
            status=pb.CollectionStatus.Green,
            optimizer_status=pb.OptimizerStatus(ok=True),
            segments_count=info.segments_count,
            points_count=info.points_count,
            indexed_vectors_count=0,
            config=config,
            payload_schema=schema,
        )
    )


def update_aliases(store: Store, request: pb.ChangeAliases) -> pb.CollectionOperationResponse:
    """Apply every action or none: readers see all of them at once."""
    with store.changing() as present:
        changed = present
        for action in request.actions:
            match action.WhichOneof("action"):
                case "create_alias":
                    changed = changed.with_alias(action.create_alias.alias_name, action.create_alias.collection_name)
                case "delete_alias":
                    changed = changed.without_alias(action.delete_alias.alias_name)
                case "rename_alias":
                    old = action.rename_alias.old_alias_name
                    if old not in changed.aliases:
                        raise NotFound(f"Alias {old} does not exists!")
                    target = changed.aliases[old]
                    changed = changed.without_alias(old).with_alias(action.rename_alias.new_alias_name, target)
                case other:
                    raise Unsupported(f"AliasOperations.{other} is not served by the embedded Qdrant.")
        store.change_aliases(changed)
    return pb.CollectionOperationResponse(result=True)


def list_aliases(store: Store, request: pb.ListAliasesRequest) -> pb.ListAliasesResponse:
    return _aliases(store.catalog().aliases)


def list_collection_aliases(store: Store, request: pb.ListCollectionAliasesRequest) -> pb.ListAliasesResponse:
    present = store.catalog()
    wanted = present.resolve(request.collection_name)
    return _aliases({alias: name for alias, name in present.aliases.items() if name == wanted})


def _aliases(aliases: dict[str, str]) -> pb.ListAliasesResponse:
    named = [pb.AliasDescription(alias_name=alias, collection_name=name) for alias, name in aliases.items()]
    return pb.ListAliasesResponse(aliases=named)


def upsert(store: Store, request: pb.UpsertPoints) -> pb.PointsOperationResponse:
    """Write points, a few at a time; what is acknowledged is in the write-ahead log and survives SIGKILL."""
    only(request, "collection_name", "points")
    with store.using(request.collection_name) as held:
        for point in request.points:
            if point.vectors.WhichOneof("vectors_options") == "vector":
                raise Unsupported("A vector without a name is not served by the embedded Qdrant: name it.")
            check_vectors(point.vectors.vectors.vectors, held.params)
    for start in range(0, len(request.points), POINTS_AT_ONCE):
        points = [edge_point(point) for point in request.points[start : start + POINTS_AT_ONCE]]
        with store.using(request.collection_name, changes=True) as held:
            held.shard.update(edge.UpdateOperation.upsert_points(points))
    return pb.PointsOperationResponse(result=DONE)


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
    wanted = query_request(request)
    with store.using(request.collection_name) as held:
        found = held.shard.query(wanted)
    return pb.QueryResponse(result=[wire_scored(point) for point in found])


def query_batch(store: Store, request: pb.QueryBatchPoints) -> pb.QueryBatchResponse:
    only(request, "collection_name", "query_points")
    wanted = edge.QueryBatchRequest([query_request(query) for query in request.query_points])
    with store.using(request.collection_name) as held:
        found = held.shard.query_batch(wanted)
    return pb.QueryBatchResponse(result=[pb.BatchResult(result=[wire_scored(p) for p in points]) for points in found])


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


@dataclass(frozen=True)
class Call:
    """One remote procedure: how its request is read, and the function that answers it."""

    request: Any
    answer: Callable[[Store, Any], Any]


CALLS = {
    "/qdrant.Qdrant/HealthCheck": Call(pb.HealthCheckRequest, health),
    "/qdrant.Collections/Create": Call(pb.CreateCollection, create_collection),
    "/qdrant.Collections/Delete": Call(pb.DeleteCollection, delete_collection),
    "/qdrant.Collections/CollectionExists": Call(pb.CollectionExistsRequest, collection_exists),
    "/qdrant.Collections/List": Call(pb.ListCollectionsRequest, list_collections),
    "/qdrant.Collections/Get": Call(pb.GetCollectionInfoRequest, get_collection),
    "/qdrant.Collections/UpdateAliases": Call(pb.ChangeAliases, update_aliases),
    "/qdrant.Collections/ListAliases": Call(pb.ListAliasesRequest, list_aliases),
    "/qdrant.Collections/ListCollectionAliases": Call(pb.ListCollectionAliasesRequest, list_collection_aliases),
    "/qdrant.Points/Upsert": Call(pb.UpsertPoints, upsert),
    "/qdrant.Points/Delete": Call(pb.DeletePoints, delete_points),
    "/qdrant.Points/SetPayload": Call(pb.SetPayloadPoints, set_payload),
    "/qdrant.Points/CreateFieldIndex": Call(pb.CreateFieldIndexCollection, create_field_index),
    "/qdrant.Points/Query": Call(pb.QueryPoints, query),
    "/qdrant.Points/QueryBatch": Call(pb.QueryBatchPoints, query_batch),
    "/qdrant.Points/Get": Call(pb.GetPoints, get_points),
    "/qdrant.Points/Scroll": Call(pb.ScrollPoints, scroll),
    "/qdrant.Points/Count": Call(pb.CountPoints, count),
}
