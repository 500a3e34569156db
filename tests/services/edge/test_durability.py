"""What survives a crash, a stop, or an alias that moves under a reader's feet."""

import signal
import time
from pathlib import Path
from threading import Event, Thread

import grpc
import pytest
from grpc import StatusCode
from qdrant_client import QdrantClient, models

from tests.fakes.chunks import create, point_alias, tiny_points
from tests.fakes.edge_process import EdgeProcess, edge_process


def test_acknowledged_points_and_aliases_survive_sigkill(tmp_path: Path) -> None:
    with edge_process(tmp_path / "vectors") as running:
        client = running.client()
        create(client, "old")
        create(client, "new")
        client.upsert("old", tiny_points(0, 10))
        for first in range(0, 300, 100):
            client.upsert("new", tiny_points(first, 100))
        client.delete("new", [0, 1])
        client.set_payload("new", {"n": -1}, points=[2])
        client.delete_collection("old")
        point_alias(client, "serving", "new")
        running.kill()
    with edge_process(tmp_path / "vectors") as running:
        client = running.client()
        assert [collection.name for collection in client.get_collections().collections] == ["new"]
        records, following = client.scroll("serving", limit=1000)
        assert following is None
        assert {record.id: record.payload for record in records} == {
            number: {"n": number if number > 2 else -1} for number in range(2, 300)
        }
        [found] = client.query_points("serving", query=[1.0, 0.05, 0, 0], using="dense", limit=1).points
        assert found.id == 5


def test_a_client_finds_the_server_again_after_a_restart(tmp_path: Path) -> None:
    with edge_process(tmp_path) as running:
        client = running.client()
        create(client, "chunks")
        running.kill()
        with pytest.raises(grpc.RpcError) as lost:
            client.count("chunks")
        assert lost.value.code() == StatusCode.UNAVAILABLE
    with edge_process(tmp_path, port=running.grpc_port):
        deadline = time.monotonic() + 5
        while (found := try_count(client)) is None and time.monotonic() < deadline:
            time.sleep(0.05)
    assert found == 0


def try_count(client: QdrantClient) -> int | None:
    try:
        return client.count("chunks").count
    except grpc.RpcError as error:
        if error.code() != StatusCode.UNAVAILABLE:
            raise
        return None


def test_sigterm_during_writes_stops_within_three_seconds(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    wrote = Event()

    with edge_process(tmp_path) as running:
        client = running.client()
        create(client, "chunks")

        def write() -> None:
            try:
                for first in range(0, 1_000_000, 200):
                    client.upsert("chunks", tiny_points(first, 200))
                    acknowledged.append(first + 200)
                    wrote.set()
            except grpc.RpcError:  # the server went away, as it should
                return

        writer = Thread(target=write)
        writer.start()
        assert wrote.wait(10)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        writer.join(10)
    with edge_process(tmp_path) as running:
        assert running.client().count("chunks").count >= acknowledged[-1]


def test_queries_through_an_alias_never_fail_while_it_moves_and_the_old_collection_goes(edge: EdgeProcess) -> None:
    client, reader = edge.client(), edge.client()
    create(client, "generation-0")
    client.upsert("generation-0", tiny_points(0, 50, generation=0))
    point_alias(client, "serving", "generation-0")
    stop, failures, seen = Event(), [], set()

    def read() -> None:
        while not stop.is_set():
            try:
                found = reader.query_points("serving", query=[1.0, 0, 0, 0], using="dense", limit=50).points
                generations = {point.payload["generation"] for point in found if point.payload}
                seen.update(generations)
                if len(found) != 50 or len(generations) != 1:
                    failures.append(f"{len(found)} points of generations {generations}")
            except grpc.RpcError as error:
                failures.append(error.details())

    thread = Thread(target=read)
    thread.start()
    for generation in range(1, 6):
        name = f"generation-{generation}"
        create(client, name)
        client.upsert(name, tiny_points(0, 50, generation=generation))
        point_alias(client, "serving", name)
        client.delete_collection(f"generation-{generation - 1}")
    stop.set()
    thread.join(10)
    assert failures == []
    assert len(seen) > 1
    client.delete_collection("generation-5")


def test_alias_changes_apply_together_or_not_at_all(edge: EdgeProcess) -> None:
    client = edge.client()
    create(client, "here")
    good = models.CreateAlias(collection_name="here", alias_name="first")
    bad = models.CreateAlias(collection_name="nowhere", alias_name="second")
    with pytest.raises(grpc.RpcError, match="Collection `nowhere` doesn't exist"):
        client.update_collection_aliases(
            [models.CreateAliasOperation(create_alias=good), models.CreateAliasOperation(create_alias=bad)]
        )
    assert client.get_aliases().aliases == []
    client.delete_collection("here")


def test_a_refused_vector_leaves_no_trace_after_a_restart(tmp_path: Path) -> None:
    with edge_process(tmp_path) as running:
        client = running.client()
        create(client, "chunks")
        for vector in ({"dense": [1.0]}, {"other": [1.0, 0, 0, 0]}):
            with pytest.raises(grpc.RpcError):
                client.upsert("chunks", [models.PointStruct(id=1, vector=vector, payload={})])
        running.kill()
    with edge_process(tmp_path) as running:
        assert running.client().count("chunks").count == 0
