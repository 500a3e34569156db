"""Whom and what the embedded Qdrant refuses, and that it says why."""

import json
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from qdrant_client import grpc as pb
from qdrant_client import models
from qdrant_client.grpc import collections_service_pb2, points_service_pb2, qdrant_pb2, snapshots_service_pb2

from services.edge.calls import CALLS
from tests.fakes.chunks import create, point_alias
from tests.fakes.edge_process import API_KEY, EdgeProcess, edge_process, launch

METHODS = sorted(
    f"/{service.full_name}/{method.name}"
    for module in (qdrant_pb2, collections_service_pb2, points_service_pb2, snapshots_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)


def call(edge: EdgeProcess, method: str, keys: list[str], request: bytes = b"") -> tuple[StatusCode, str, bytes]:
    """Call a method by its wire name with these keys; give back status, details and whatever was answered."""
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel:
        try:
            answer = channel.unary_unary(method)(request, metadata=[("api-key", key) for key in keys], timeout=10)
        except grpc.RpcError as error:
            return error.code(), error.details(), b""
    return StatusCode.OK, "", answer


def outcome(home: Path, log: Path, *arguments: str, port: int = 0, api_key: str = API_KEY) -> tuple[int, str]:
    """Start a server that should refuse to; give back its exit code and what it said."""
    process = launch(home, log, *arguments, port=port, api_key=api_key)
    try:
        return process.wait(20), log.read_text()
    finally:
        process.kill()


WRONG_KEYS = [[], [""], ["wrong"], [API_KEY[:-1]], [API_KEY + "x"], [API_KEY, API_KEY], ["wrong", API_KEY]]


@pytest.mark.parametrize("keys", WRONG_KEYS)
def test_without_the_key_every_procedure_answers_nothing(edge: EdgeProcess, keys: list[str]) -> None:
    assert len(METHODS) > 40
    for method in [*METHODS, "/qdrant.Points/NoSuchThing", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]:
        code, _, answer = call(edge, method, keys)
        assert (method, code, answer) == (method, StatusCode.UNAUTHENTICATED, b"")


def test_a_write_without_the_key_changes_nothing(edge: EdgeProcess) -> None:
    client = edge.client()
    create(client, "kept")
    request = pb.DeleteCollection(collection_name="kept").SerializeToString()
    assert call(edge, "/qdrant.Collections/Delete", ["wrong"], request)[0] == StatusCode.UNAUTHENTICATED
    assert client.collection_exists("kept")
    assert call(edge, "/qdrant.Collections/Delete", [API_KEY], request)[0] == StatusCode.OK
    assert not client.collection_exists("kept")


def test_procedures_outside_the_served_part_are_refused_by_name(edge: EdgeProcess) -> None:
    assert set(CALLS) < set(METHODS)
    for method in set(METHODS) - set(CALLS):
        code, details, _ = call(edge, method, [API_KEY])
        assert code == StatusCode.UNIMPLEMENTED
        assert method in details


def test_unserved_parts_of_served_requests_are_refused_by_name(edge: EdgeProcess) -> None:
    client = edge.client()
    create(client, "chunks")
    near = models.GeoRadius(center=models.GeoPoint(lon=1, lat=1), radius=1)
    geo = models.Filter(must=[models.FieldCondition(key="at", geo_radius=near)])
    text = models.Filter(must=[models.FieldCondition(key="text", match=models.MatchText(text="a b"))])
    asked = {
        "shard_key_selector": lambda: client.count("chunks", shard_key_selector="eu"),
        "geo_radius": lambda: client.count("chunks", count_filter=geo),
        "Match.text": lambda: client.delete("chunks", models.FilterSelector(filter=text)),
        "Query.order_by": lambda: client.query_points("chunks", query=models.OrderByQuery(order_by="n")),
        "SearchParams.quantization": lambda: client.query_points(
            "chunks",
            query=[1.0, 0, 0, 0],
            using="dense",
            search_params=models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True)),
        ),
        "CreateCollection.quantization_config": lambda: client.create_collection(
            "quantized",
            vectors_config={"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)},
            quantization_config=models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8")),
        ),
        "without a name": lambda: client.create_collection(
            "unnamed", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE)
        ),
    }
    for named, ask in asked.items():
        with pytest.raises(grpc.RpcError, match=named) as refusal:
            ask()
        assert refusal.value.code() == StatusCode.UNIMPLEMENTED
    client.delete_collection("chunks")


def test_wrong_requests_say_what_is_wrong(edge: EdgeProcess) -> None:
    client = edge.client()
    create(client, "chunks")
    wrong = {
        "expected dim: 4, got 3": lambda: client.query_points("chunks", query=[1.0, 0.0, 0.0], using="dense"),
        "vector name error: nope": lambda: client.query_points("chunks", query=[1.0, 0, 0, 0], using="nope"),
        "`dense` does not have the kind": lambda: client.upsert(
            "chunks", [models.PointStruct(id=1, vector={"dense": [1.0]}, payload={})]
        ),
        "name error: other": lambda: client.upsert(
            "chunks", [models.PointStruct(id=1, vector={"other": [1.0]}, payload={})]
        ),
        "not-a-uuid": lambda: client.retrieve("chunks", ["not-a-uuid"]),
    }
    for words, ask in wrong.items():
        with pytest.raises(grpc.RpcError, match=words) as refusal:
            ask()
        assert refusal.value.code() == StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError, match="Collection `gone` doesn't exist!") as missing:
        client.count("gone")
    assert missing.value.code() == StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError, match="Collection `chunks` already exists!") as taken:
        create(client, "chunks")
    assert taken.value.code() == StatusCode.ALREADY_EXISTS
    assert client.count("chunks").count == 0
    client.delete_collection("chunks")


def test_a_second_owner_of_the_folder_is_refused(edge: EdgeProcess, tmp_path: Path) -> None:
    code, said = outcome(edge.home, tmp_path / "log")
    assert code == 75
    assert f"Another process serves {edge.home}" in said
    assert edge.client().get_collections() is not None


def test_a_taken_port_is_refused(edge: EdgeProcess, tmp_path: Path) -> None:
    code, said = outcome(tmp_path / "other", tmp_path / "log", port=edge.grpc_port)
    assert code == 69
    assert f"127.0.0.1:{edge.grpc_port} cannot be bound" in said


def test_no_key_no_server(tmp_path: Path) -> None:
    code, said = outcome(tmp_path / "vectors", tmp_path / "log", api_key="")
    assert code == 78
    assert "MOAT_QDRANT__API_KEY is empty" in said


def test_another_engines_data_is_refused_until_reset(tmp_path: Path) -> None:
    home = tmp_path / "vectors"
    with edge_process(home) as running:
        client = running.client()
        create(client, "chunks")
        point_alias(client, "serving", "chunks")
        client.close()
    catalog = home / "catalog.json"
    catalog.write_text(json.dumps({**json.loads(catalog.read_text()), "engine": "qdrant-edge-py 0.8.0"}))

    code, said = outcome(home, tmp_path / "log")
    assert code == 65
    assert "was written by qdrant-edge-py 0.8.0" in said
    assert "--reset" in said
    with edge_process(home, "--reset") as running:
        client = running.client()
        assert client.get_collections().collections == []
        assert client.get_aliases().aliases == []
        assert not list(home.glob("shard-*"))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"engine": 1}'])
def test_a_damaged_catalog_is_refused(tmp_path: Path, damage: str) -> None:
    (tmp_path / "catalog.json").write_text(damage)
    code, said = outcome(tmp_path, tmp_path / "log")
    assert code == 65
    assert "catalog.json" in said or "was written by" in said
    assert (tmp_path / "catalog.json").read_text() == damage


def test_a_shard_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with edge_process(tmp_path) as running:
        create(running.client(), "chunks")
    [shard] = tmp_path.glob("shard-*")
    (shard / "edge_config.json").write_text("{")
    code, said = outcome(tmp_path, tmp_path / "log")
    assert code == 65
    assert "The collection chunks cannot be opened" in said


def test_folders_that_a_crash_left_behind_are_swept(tmp_path: Path) -> None:
    stray = tmp_path / "shard-left-behind"
    stray.mkdir()
    with edge_process(tmp_path):
        assert not stray.exists()
