"""The searches of one request, with whatever they have in common done once.

Edge runs each search of a batch by itself: what three of them prefetch is searched for three times, and it reads the
payload of a search's results one by one, which takes several times as long as asking for them by their ids.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as pb

from services.edge.queries import query_request, search_request
from services.edge.wire import Id, payload_choice, wire_scored

_OF_A_SEARCH = ("query", "using", "filter", "params", "score_threshold", "limit")


class Searches:
    """Answers searches of one collection; what one has looked for, the next need not look for again."""

    def __init__(self, shard: edge.EdgeShard) -> None:
        self._shard = shard
        self._found: dict[bytes, list[edge.ScoredPoint]] = {}

    def answer(self, query: pb.QueryPoints) -> list[pb.ScoredPoint]:
        """Give a search's results as they go over the wire."""
        points = self._rescored(query) if _rescores(query) else self._searched(query)
        payloads = self._payloads([point.id for point in points], query.with_payload)
        return [wire_scored(point, payloads.get(point.id)) for point in points]

    def _searched(self, query: pb.QueryPoints) -> list[edge.ScoredPoint]:
        if query.prefetch or query.offset or _wants(query.with_vectors):
            return self._shard.query(query_request(query))
        return self._once(_alone(query))

    def _once(self, search: pb.PrefetchQuery) -> list[edge.ScoredPoint]:
        name = search.SerializeToString(deterministic=True)
        if name not in self._found:
            self._found[name] = self._shard.query(search_request(search))
        return self._found[name]

    def _rescored(self, query: pb.QueryPoints) -> list[edge.ScoredPoint]:
        """Score what the prefetches bring: the same as a search among these points alone."""
        searches = (_narrowed(search, query.filter) for search in query.prefetch)
        brought = {point.id for search in searches for point in self._once(search)}
        among = edge.Filter(must=[edge.HasIdCondition(brought)])
        return self._shard.query(query_request(query, among=among)) if brought else []

    def _payloads(self, ids: Sequence[Id], selector: pb.WithPayloadSelector) -> Mapping[Id, dict[str, Any] | None]:
        choice = payload_choice(selector)
        if not ids or choice is False:
            return {}
        return {record.id: record.payload for record in self._shard.retrieve(list(ids), choice, False)}


def _rescores(query: pb.QueryPoints) -> bool:
    """Tell a search by a vector among what plain searches bring; ranks can only be fused by Edge itself."""
    plain = all(not search.prefetch and search.HasField("query") for search in query.prefetch)
    return bool(query.prefetch) and plain and query.query.WhichOneof("variant") == "nearest"


def _narrowed(search: pb.PrefetchQuery, outer: pb.Filter) -> pb.PrefetchQuery:
    """Put a search's filter into what it prefetches, where Qdrant applies it too."""
    if outer == search.filter or not outer.ListFields():
        return search
    narrowed = pb.PrefetchQuery()
    narrowed.CopyFrom(search)
    filters = [one for one in (search.filter, outer) if one.ListFields()]
    narrowed.filter.CopyFrom(pb.Filter(must=[pb.Condition(filter=one) for one in filters]))
    return narrowed


def _wants(selector: pb.WithVectorsSelector) -> bool:
    return selector.WhichOneof("selector_options") == "include" or selector.enable


def _alone(query: pb.QueryPoints) -> pb.PrefetchQuery:
    """Write a search without prefetches as one could be prefetched, so that both are known for the same."""
    return pb.PrefetchQuery(**{field.name: value for field, value in query.ListFields() if field.name in _OF_A_SEARCH})
