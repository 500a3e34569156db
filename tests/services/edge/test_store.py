"""Upkeep of the shards, seen from inside: the wire does not show it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import qdrant_edge
from qdrant_client import grpc as pb

from services.edge.point_calls import POINTS_AT_ONCE, upsert
from services.edge.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    sparse = pb.SparseVectorConfig(map={"bm25": pb.SparseVectorParams(modifier=pb.Modifier.Idf)})
    opened.create("chunks", pb.CollectionParams(sparse_vectors_config=sparse))
    yield opened
    opened.close()


def point(number: int) -> pb.PointStruct:
    terms = pb.Vector(sparse=pb.SparseVector(indices=[number], values=[1.0]))
    vectors = pb.Vectors(vectors=pb.NamedVectors(vectors={"bm25": terms}))
    return pb.PointStruct(id=pb.PointId(num=number), vectors=vectors)


def stored_vectors(store: Store) -> int:
    with store.using("chunks") as held:
        return held.shard.info().indexed_vectors_count


def test_upkeep_vacuums_deleted_points(store: Store) -> None:
    upsert(store, pb.UpsertPoints(collection_name="chunks", points=[point(number) for number in range(1500)]))
    with store.using("chunks", changes=True) as held:
        held.shard.update(qdrant_edge.UpdateOperation.delete_points(list(range(1400))))
    assert stored_vectors(store) == 1500
    store.tidy()
    assert stored_vectors(store) == 100
    with store.using("chunks") as held:
        assert held.shard.info().points_count == 100
        assert not held.changed


def test_a_long_upsert_lets_others_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[int] = []
    lend = store.using

    def counting(name: str, changes: bool = False) -> object:
        lent.append(1)
        return lend(name, changes)

    monkeypatch.setattr(store, "using", counting)
    count = 5 * POINTS_AT_ONCE + 1
    upsert(store, pb.UpsertPoints(collection_name="chunks", points=[point(number) for number in range(count)]))
    assert len(lent) == 1 + 6  # once to check the vectors, then once for each helping
