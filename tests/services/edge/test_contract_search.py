"""Searches, asked of the embedded server and of qdrant-client's own local mode alike."""

import random

import pytest
from qdrant_client import QdrantClient, models

from tests.fakes.chunks import POINTS, SIZE, create, numbers, readable_by, sparse
from tests.fakes.edge_process import EdgeProcess


def test_dense_search_orders_by_cosine(chunks: QdrantClient) -> None:
    found = chunks.query_points("chunks", query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=3).points
    assert numbers(found) == [0, 1, 2]
    assert [point.score for point in found] == pytest.approx([1.0, 0.9939, 0.9363], abs=1e-3)


def test_search_returns_payload_and_vectors_as_stored(chunks: QdrantClient) -> None:
    [found] = chunks.query_points("chunks", query=[1.0, 0, 0, 0], using="dense", limit=1, with_vectors=True).points
    assert found.payload == POINTS[0].payload
    assert isinstance(found.vector, dict)
    assert found.vector["dense"] == pytest.approx([1.0, 0.0, 0.0, 0.0])
    assert found.vector["bm25"] == sparse(t1=1.0, t2=1.0)


def test_search_returns_only_the_payload_asked_for(chunks: QdrantClient) -> None:
    query = [1.0, 0.0, 0.0, 0.0]
    [chosen] = chunks.query_points("chunks", query=query, using="dense", limit=1, with_payload=["ordinal"]).points
    [none] = chunks.query_points("chunks", query=query, using="dense", limit=1, with_payload=False).points
    assert chosen.payload == {"ordinal": 0}
    assert not none.payload


def test_score_threshold_cuts_the_tail(chunks: QdrantClient) -> None:
    found = chunks.query_points("chunks", query=[1.0, 0.0, 0.0, 0.0], using="dense", score_threshold=0.95).points
    assert numbers(found) == [0, 1]


def test_sparse_search_weighs_a_rare_term_above_a_common_one(chunks: QdrantClient) -> None:
    found = chunks.query_points("chunks", query=sparse(t1=1.0, t9=1.0), using="bm25", limit=2).points
    # Without IDF, point 3 (weight 2 of the common term) would come before point 2 (1 of it, and .5 of the rare one).
    assert numbers(found) == [2, 3]
    common, rare = 0.2412, 1.5404  # ln(1 + (6 - df + .5) / (df + .5)) for df = 5 and df = 1
    assert [point.score for point in found] == pytest.approx([common + rare / 2, 2 * common], abs=1e-3)


@pytest.mark.parametrize("k", [2, 60])
def test_hybrid_search_fuses_by_rank_inside_the_access_filter(chunks: QdrantClient, k: int) -> None:
    allowed = readable_by("everyone", "finance")
    found = chunks.query_points(
        "chunks",
        prefetch=[
            models.Prefetch(query=[1.0, 0.0, 0.0, 0.0], using="dense", filter=allowed, limit=3),
            models.Prefetch(query=sparse(t9=1.0, t3=0.1), using="bm25", filter=allowed, limit=3),
        ],
        query=models.RrfQuery(rrf=models.Rrf(k=k)),
        limit=3,
    ).points
    # Dense ranks 0, 1, 2; sparse ranks 2, 1. Ranks count from 0.
    expected = {0: 1 / k, 1: 2 / (k + 1), 2: 1 / (k + 2) + 1 / k}
    assert set(numbers(found)) == set(expected)
    assert [point.score for point in found] == sorted((point.score for point in found), reverse=True)
    for number, point in zip(numbers(found), found, strict=True):
        assert point.score == pytest.approx(expected[number], rel=1e-4)


def test_hybrid_search_never_shows_what_the_filter_forbids(chunks: QdrantClient) -> None:
    legal = readable_by("legal")
    found = chunks.query_points(
        "chunks",
        prefetch=[
            models.Prefetch(query=[1.0, 0.0, 0.0, 0.0], using="dense", filter=legal),
            models.Prefetch(query=sparse(t1=1.0), using="bm25", filter=legal),
        ],
        query=models.FusionQuery(fusion=models.Fusion.RRF),
        query_filter=legal,
    ).points
    assert sorted(numbers(found)) == [3, 4]


def test_a_batch_answers_each_query_in_its_place(chunks: QdrantClient) -> None:
    asked = [
        models.QueryRequest(query=[0.0, 1.0, 0.0, 0.0], using="dense", limit=1),
        models.QueryRequest(query=sparse(t5=1.0), using="bm25", limit=1, with_payload=["document"]),
    ]
    first, second = chunks.query_batch_points("chunks", asked)
    assert numbers(first.points) == [3]
    assert numbers(second.points) == [5]
    assert second.points[0].payload == {"document": "c"}


@pytest.mark.parametrize(
    ("form", "near"),
    [(models.Datatype.FLOAT16, 0.02), (models.Datatype.TURBO8, 0.02), (models.Datatype.TURBO4, 0.15)],
)
def test_token_vectors_rescore_by_max_sim(qdrant: QdrantClient, form: models.Datatype, near: float) -> None:
    tokens = models.VectorParams(
        size=2,
        distance=models.Distance.COSINE,
        on_disk=True,
        datatype=form,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
    )
    qdrant.create_collection(
        "tokens",
        vectors_config={"dense": models.VectorParams(size=2, distance=models.Distance.COSINE), "tokens": tokens},
    )
    rows = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0]]]
    qdrant.upsert(
        "tokens",
        [models.PointStruct(id=n, vector={"dense": [1.0, n / 10], "tokens": row}) for n, row in enumerate(rows)],
    )
    found = qdrant.query_points(
        "tokens",
        prefetch=[models.Prefetch(query=[1.0, 0.0], using="dense", limit=2)],
        query=[[1.0, 0.0], [0.0, 1.0]],
        using="tokens",
    ).points
    assert [(point.id, point.score) for point in found] == [
        (0, pytest.approx(2.0, abs=near)),
        (1, pytest.approx(1.0, abs=near)),
    ]


def test_what_no_prefetch_brings_is_not_found(chunks: QdrantClient) -> None:
    nothing = models.Prefetch(query=[1.0, 0.0, 0.0, 0.0], using="dense", filter=readable_by("nobody"))
    assert chunks.query_points("chunks", prefetch=[nothing], query=[1.0, 0, 0, 0], using="dense").points == []


def test_embedded_server_and_local_mode_agree_on_random_data(edge: EdgeProcess) -> None:
    dice = random.Random(20)
    served, local = edge.client(), QdrantClient(":memory:")
    points = [
        models.PointStruct(
            id=number,
            vector={
                "dense": [dice.gauss(0, 1) for _ in range(SIZE)],
                "bm25": models.SparseVector(
                    indices=dice.sample(range(40), 8), values=[dice.uniform(0.1, 2) for _ in range(8)]
                ),
            },
            payload={"access": dice.sample(["a", "b", "c"], dice.randint(0, 2)), "ordinal": number},
        )
        for number in range(150)
    ]
    for client in (served, local):
        create(client, "random")
        client.upsert("random", points)
    for _ in range(25):
        allowed = readable_by(dice.choice("abc"))
        dense = [dice.gauss(0, 1) for _ in range(SIZE)]
        terms = models.SparseVector(indices=dice.sample(range(40), 5), values=[1.0] * 5)
        both = [
            models.Prefetch(query=dense, using="dense", filter=allowed, limit=30),
            models.Prefetch(query=terms, using="bm25", filter=allowed, limit=30),
        ]
        rescored = models.QueryRequest(
            prefetch=both, query=dense, using="dense", filter=readable_by("b"), limit=60, with_payload=True
        )
        asked = [
            models.QueryRequest(query=dense, using="dense", limit=30, filter=allowed),
            models.QueryRequest(query=terms, using="bm25", limit=30, filter=allowed),
            models.QueryRequest(prefetch=both, query=models.RrfQuery(rrf=models.Rrf(k=60)), limit=20),
            rescored,
        ]
        for ours, theirs in zip(
            served.query_batch_points("random", asked), local.query_batch_points("random", asked), strict=True
        ):
            assert_same_ranking(ours, theirs)
        [last] = served.query_batch_points("random", [rescored])
        assert all("b" in (point.payload or {})["access"] for point in last.points)
    served.delete_collection("random")


def assert_same_ranking(ours: models.QueryResponse, theirs: models.QueryResponse) -> None:
    """Ids in the same order with the same scores, up to ties, which either may break as it likes."""
    near = 1e-4
    assert [p.score for p in ours.points] == pytest.approx([p.score for p in theirs.points], abs=near)
    our_scores = {point.id: point.score for point in ours.points}
    their_scores = {point.id: point.score for point in theirs.points}
    for point_id in our_scores.keys() & their_scores.keys():
        assert our_scores[point_id] == pytest.approx(their_scores[point_id], abs=near)
    last = ours.points[-1].score if ours.points else 0.0
    for point_id in our_scores.keys() ^ their_scores.keys():  # cut off among equals at the end of the list
        assert {**our_scores, **their_scores}[point_id] == pytest.approx(last, abs=near)
