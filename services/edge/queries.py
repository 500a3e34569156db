"""Searches: Qdrant's query, prefetches and fusion in Edge's words."""

from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as pb

from services.edge.filters import edge_filter
from services.edge.refusal import Unsupported, only
from services.edge.wire import edge_vector, vector_choice

# Qdrant's own defaults, for requests that leave them out.
LIMIT = 10
RRF_K = 2


def check_query(query: pb.QueryPoints) -> None:
    """Refuse a search that asks for something outside of what is served."""
    only(
        query,
        *("collection_name", "prefetch", "query", "using", "filter", "params"),
        *("score_threshold", "limit", "offset", "with_vectors", "with_payload"),
    )
    _check_params(query.params)


def query_request(query: pb.QueryPoints, among: edge.Filter | None = None) -> edge.QueryRequest:
    """Read one search of one collection, without its payload; `among` stands for its prefetches and its filter."""
    return edge.QueryRequest(
        limit=query.limit if query.HasField("limit") else LIMIT,
        offset=query.offset,
        query=_scoring(query) if query.HasField("query") else None,
        prefetches=None if among else [_prefetch(inner) for inner in query.prefetch] or None,
        with_vector=vector_choice(query.with_vectors),
        with_payload=False,
        filter=among or edge_filter(query.filter),
        score_threshold=query.score_threshold if query.HasField("score_threshold") else None,
    )


def search_request(search: pb.PrefetchQuery) -> edge.QueryRequest:
    """Read a prefetch as a search of its own."""
    only(search, "query", "using", "filter", "params", "score_threshold", "limit")
    _check_params(search.params)
    return edge.QueryRequest(
        limit=search.limit if search.HasField("limit") else LIMIT,
        query=_scoring(search) if search.HasField("query") else None,
        with_vector=False,
        with_payload=False,
        filter=edge_filter(search.filter),
        score_threshold=search.score_threshold if search.HasField("score_threshold") else None,
    )


def _prefetch(inner: pb.PrefetchQuery) -> edge.Prefetch:
    only(inner, "prefetch", "query", "using", "filter", "params", "score_threshold", "limit")
    _check_params(inner.params)
    return edge.Prefetch(
        limit=inner.limit if inner.HasField("limit") else LIMIT,
        query=_scoring(inner) if inner.HasField("query") else None,
        prefetches=[_prefetch(deeper) for deeper in inner.prefetch] or None,
        filter=edge_filter(inner.filter),
        score_threshold=inner.score_threshold if inner.HasField("score_threshold") else None,
    )


def _check_params(params: pb.SearchParams) -> None:
    # Without HNSW every search is exact, so these two are honoured by doing nothing.
    only(params, "hnsw_ef", "exact")


def _scoring(asked: pb.QueryPoints | pb.PrefetchQuery) -> Any:
    query = asked.query
    match query.WhichOneof("variant"):
        case "nearest":
            vector = edge_vector(query.nearest, query.nearest.WhichOneof("variant"))
            return edge.Query.Nearest(vector, using=asked.using or None)
        case "rrf":
            return edge.Fusion.Rrf(query.rrf.k if query.rrf.HasField("k") else RRF_K, list(query.rrf.weights) or None)
        case "fusion" if query.fusion == pb.Fusion.RRF:
            return edge.Fusion.Rrf(RRF_K)
        case "fusion":
            return edge.Fusion.Dbsf()
        case other:
            raise Unsupported(f"Query.{other} is not served by the embedded Qdrant.")
