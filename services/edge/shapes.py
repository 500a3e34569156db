"""A collection's declaration: from Qdrant's wire form to Edge's, and what its vectors must look like."""

from collections.abc import Mapping

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import InvalidRequest
from services.edge.refusal import Unsupported, only

# HNSW blocks the whole process for a minute at 50,000 points, while plain scans stay fast enough at 200,000.
NEVER_INDEX_KB = 1_000_000_000

# How a server spreads and tunes a collection; none of it changes an answer, so one shard may ignore it.
TUNING = (
    *("hnsw_config", "optimizers_config", "wal_config", "on_disk_payload", "payload", "id_tracker"),
    *("shard_number", "replication_factor", "write_consistency_factor"),
)
DISTANCES = {
    pb.Distance.Cosine: edge.Distance.Cosine,
    pb.Distance.Dot: edge.Distance.Dot,
    pb.Distance.Euclid: edge.Distance.Euclid,
    pb.Distance.Manhattan: edge.Distance.Manhattan,
}
DATATYPES: dict[pb.Datatype.ValueType, edge.VectorStorageDatatype] = {
    pb.Datatype.Float32: edge.VectorStorageDatatype.Float32,
    pb.Datatype.Float16: edge.VectorStorageDatatype.Float16,
    pb.Datatype.Uint8: edge.VectorStorageDatatype.Uint8,
    pb.Datatype.Turbo4: edge.VectorStorageDatatype.Turbo4,  # type: ignore[attr-defined]  # its stub lacks it
    pb.Datatype.Turbo8: edge.VectorStorageDatatype.Turbo8,
}


def declared(request: pb.CreateCollection) -> pb.CollectionParams:
    """Take from a request what is kept about a collection, refusing what the embedded server cannot honour."""
    only(request, "collection_name", "vectors_config", "sparse_vectors_config", *TUNING)
    if request.vectors_config.WhichOneof("config") == "params":
        raise Unsupported("A vector without a name is not served by the embedded Qdrant: name it.")
    return pb.CollectionParams(
        shard_number=1,
        on_disk_payload=True,
        vectors_config=request.vectors_config if request.HasField("vectors_config") else None,
        sparse_vectors_config=request.sparse_vectors_config if request.HasField("sparse_vectors_config") else None,
    )


def edge_config(params: pb.CollectionParams, *, vacuum_all: bool = False) -> edge.EdgeConfig:
    """Say the same to Edge: vectors as declared, vacuumed (if wanted at any deletion) but never indexed with HNSW."""
    dense = params.vectors_config.params_map.map
    sparse = params.sparse_vectors_config.map
    return edge.EdgeConfig(
        vectors={name: _dense(vector) for name, vector in dense.items()} or None,
        sparse_vectors={name: _sparse(vector) for name, vector in sparse.items()} or None,
        optimizers=edge.EdgeOptimizersConfig(
            deleted_threshold=0.0 if vacuum_all else None,
            vacuum_min_vector_number=0 if vacuum_all else None,
            indexing_threshold=NEVER_INDEX_KB,
        ),
    )


def _dense(vector: pb.VectorParams) -> edge.EdgeVectorParams:
    only(vector, "size", "distance", "on_disk", "datatype", "multivector_config", "hnsw_config")
    if vector.distance not in DISTANCES or not vector.size:
        raise InvalidRequest("A dense vector needs a size and a distance.")
    multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if vector.HasField("multivector_config") else None
    return edge.EdgeVectorParams(
        size=vector.size,
        distance=DISTANCES[vector.distance],
        on_disk=vector.on_disk if vector.HasField("on_disk") else None,
        multivector_config=multi,
        datatype=_datatype(vector.datatype) if vector.HasField("datatype") else None,
    )


def _sparse(vector: pb.SparseVectorParams) -> edge.EdgeSparseVectorParams:
    only(vector, "modifier", "index")
    only(vector.index, "full_scan_threshold", "on_disk", "datatype")
    return edge.EdgeSparseVectorParams(
        on_disk=vector.index.on_disk if vector.index.HasField("on_disk") else None,
        modifier=edge.Modifier.Idf if vector.modifier == pb.Modifier.Idf else None,
        datatype=_datatype(vector.index.datatype) if vector.index.HasField("datatype") else None,
    )


def _datatype(datatype: pb.Datatype.ValueType) -> edge.VectorStorageDatatype | None:
    if datatype == pb.Datatype.Default:
        return None
    if datatype not in DATATYPES:
        raise Unsupported(f"Datatype {pb.Datatype.Name(datatype)} is not served by the embedded Qdrant.")
    return DATATYPES[datatype]


def check_vectors(vectors: Mapping[str, pb.Vector], params: pb.CollectionParams) -> None:
    """Refuse vectors that the collection did not declare.

    Edge logs an operation before it looks at the vectors, so a bad one would come back, half applied, at every start.
    """
    dense = params.vectors_config.params_map.map
    sparse = params.sparse_vectors_config.map
    for name, vector in vectors.items():
        kind = vector.WhichOneof("vector")
        if name in sparse:
            fits = kind == "sparse" and len(vector.sparse.indices) == len(vector.sparse.values)
        elif name in dense:
            size, multi = dense[name].size, dense[name].HasField("multivector_config")
            rows = vector.multi_dense.vectors if multi else [vector.dense]
            fits = kind == ("multi_dense" if multi else "dense") and all(len(row.data) == size for row in rows)
            fits = fits and len(rows) > 0
        else:
            raise InvalidRequest(f"Not existing vector name error: {name}")
        if not fits:
            raise InvalidRequest(f"Vector `{name}` does not have the kind and dimension that the collection declares.")
