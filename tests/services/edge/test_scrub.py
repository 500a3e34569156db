"""A compacted collection has lost the bytes of what was deleted from it, in every file, and nothing else."""

import random
import string
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from qdrant_client import QdrantClient, models

from tests.fakes.chunks import create, tiny_points
from tests.fakes.edge_process import EdgeProcess, edge_process

KEPT, GONE = "wjxkqvzhbpfy", "qzjvkxwhgbpm"


def point(number: int, text: str) -> models.PointStruct:
    rest = "".join(random.Random(number).choices(string.ascii_lowercase, k=300))
    return models.PointStruct(id=number, vector={"dense": [1.0, number, 0, 0]}, payload={"text": f"{text} {rest}"})


def files_with(word: str, folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def compact(client: QdrantClient, **thresholds: float) -> None:
    client.update_collection("chunks", optimizers_config=models.OptimizersConfigDiff(**thresholds))


def test_bytes_of_deleted_points_are_in_no_file(tmp_path: Path) -> None:
    with edge_process(tmp_path / "vectors") as running:
        client = running.client()
        create(client)
        client.upsert("chunks", [point(number, GONE if number == 7 else KEPT) for number in range(300)])
        client.delete("chunks", [7])
        assert files_with(GONE, tmp_path)
        compact(client, deleted_threshold=0)
        assert files_with(GONE, tmp_path) == []
        assert files_with(KEPT, tmp_path)
        assert client.count("chunks").count == 299
        # It takes writes as before, also on points it held before, and a second time.
        client.set_payload("chunks", {"text": "changed"}, points=[8])
        client.upsert("chunks", [point(300, GONE)])
        client.delete("chunks", [300])
        compact(client, deleted_threshold=0)
        assert files_with(GONE, tmp_path) == []
        client.upsert("chunks", [point(9, "later")])
        running.kill()
    with edge_process(tmp_path / "vectors") as running:
        client = running.client()
        assert client.count("chunks").count == 299
        records = client.retrieve("chunks", [8, 9, 10])
        assert [(record.payload or {})["text"].split()[0] for record in records] == ["changed", "later", KEPT]


def test_other_thresholds_are_refused_by_name(edge: EdgeProcess) -> None:
    client = edge.client()
    create(client)
    client.upsert("chunks", tiny_points(0, 3))
    for thresholds in ({"deleted_threshold": 0.5}, {"vacuum_min_vector_number": 100}, {"max_segment_size": 1}):
        with pytest.raises(grpc.RpcError) as refused:
            compact(client, **thresholds)
        assert refused.value.code() == StatusCode.UNIMPLEMENTED
    client.delete_collection("chunks")
