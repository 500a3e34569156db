"""The embedded Qdrant in a process of its own, and the same client over it and over local mode."""

from collections.abc import Iterator

import pytest
from qdrant_client import QdrantClient

from tests.fakes.chunks import POINTS, create
from tests.fakes.edge_process import EdgeProcess, edge_process


@pytest.fixture(scope="session")
def edge() -> Iterator[EdgeProcess]:
    with edge_process() as running:
        yield running


@pytest.fixture(params=["edge", "local"])
def qdrant(request: pytest.FixtureRequest, edge: EdgeProcess) -> Iterator[QdrantClient]:
    client = edge.client() if request.param == "edge" else QdrantClient(":memory:")
    yield client
    for collection in client.get_collections().collections:
        client.delete_collection(collection.name)
    client.close()


@pytest.fixture
def chunks(qdrant: QdrantClient) -> QdrantClient:
    create(qdrant)
    qdrant.upsert("chunks", POINTS)
    return qdrant
