"""The part of Qdrant's protocol that is served: each remote procedure by its name on the wire."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qdrant_client import grpc as pb

from services.edge import collection_calls as collections
from services.edge import point_calls as points
from services.edge.store import Store


@dataclass(frozen=True)
class Call:
    """One remote procedure: how its request is read, and the function that answers it."""

    request: Any
    answer: Callable[[Store, Any], Any]


CALLS = {
    "/qdrant.Qdrant/HealthCheck": Call(pb.HealthCheckRequest, collections.health),
    "/qdrant.Collections/Create": Call(pb.CreateCollection, collections.create_collection),
    "/qdrant.Collections/Update": Call(pb.UpdateCollection, collections.update_collection),
    "/qdrant.Collections/Delete": Call(pb.DeleteCollection, collections.delete_collection),
    "/qdrant.Collections/CollectionExists": Call(pb.CollectionExistsRequest, collections.collection_exists),
    "/qdrant.Collections/List": Call(pb.ListCollectionsRequest, collections.list_collections),
    "/qdrant.Collections/Get": Call(pb.GetCollectionInfoRequest, collections.get_collection),
    "/qdrant.Collections/UpdateAliases": Call(pb.ChangeAliases, collections.update_aliases),
    "/qdrant.Collections/ListAliases": Call(pb.ListAliasesRequest, collections.list_aliases),
    "/qdrant.Collections/ListCollectionAliases": Call(
        pb.ListCollectionAliasesRequest, collections.list_collection_aliases
    ),
    "/qdrant.Points/Upsert": Call(pb.UpsertPoints, points.upsert),
    "/qdrant.Points/Delete": Call(pb.DeletePoints, points.delete_points),
    "/qdrant.Points/SetPayload": Call(pb.SetPayloadPoints, points.set_payload),
    "/qdrant.Points/CreateFieldIndex": Call(pb.CreateFieldIndexCollection, points.create_field_index),
    "/qdrant.Points/Query": Call(pb.QueryPoints, points.query),
    "/qdrant.Points/QueryBatch": Call(pb.QueryBatchPoints, points.query_batch),
    "/qdrant.Points/Get": Call(pb.GetPoints, points.get_points),
    "/qdrant.Points/Scroll": Call(pb.ScrollPoints, points.scroll),
    "/qdrant.Points/Count": Call(pb.CountPoints, points.count),
}
