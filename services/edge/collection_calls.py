"""Calls on collections and aliases: one function a remote procedure."""

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import NotFound
from services.edge.refusal import Unsupported, only
from services.edge.shapes import declared
from services.edge.store import ENGINE, Store

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


def update_collection(store: Store, request: pb.UpdateCollection) -> pb.CollectionOperationResponse:
    """Do at once what a server does in its own time when any deletion is to be vacuumed; nothing else can be set."""
    only(request, "collection_name", "optimizers_config")
    only(request.optimizers_config, "deleted_threshold", "vacuum_min_vector_number")
    wanted = request.optimizers_config
    if not wanted.HasField("deleted_threshold") or wanted.deleted_threshold > 0:
        raise Unsupported("Only a deleted_threshold of 0 is served by the embedded Qdrant, and it holds once.")
    store.scrub(request.collection_name)
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
