"""Points, filters, payloads and aliases, asked of the embedded server and of qdrant-client's own local mode alike."""

import warnings
from uuid import UUID

import pytest
from qdrant_client import QdrantClient, models

from tests.fakes.chunks import IDS, POINTS, SIZE, create, ids_of, numbers, of_document, readable_by

CONDITIONS: dict[str, tuple[models.Filter, list[int]]] = {
    "match value": (of_document("a"), [0, 1]),
    "match number": (
        models.Filter(must=[models.FieldCondition(key="ordinal", match=models.MatchValue(value=4))]),
        [4],
    ),
    "match bool": (models.Filter(must=[models.FieldCondition(key="draft", match=models.MatchValue(value=True))]), [5]),
    "match any": (readable_by("finance", "legal"), [2, 3, 4]),
    "match except": (
        models.Filter(must=[models.FieldCondition(key="document", match=models.MatchExcept(**{"except": ["a", "b"]}))]),
        [4, 5],
    ),
    "range": (models.Filter(must=[models.FieldCondition(key="ordinal", range=models.Range(gte=1, lt=3))]), [1, 2]),
    "range from zero": (models.Filter(must=[models.FieldCondition(key="ordinal", range=models.Range(lte=0))]), [0]),
    "has id": (models.Filter(must=[models.HasIdCondition(has_id=[IDS[0], IDS[5]])]), [0, 5]),
    "is empty": (models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="access"))]), [5]),
    "must not": (models.Filter(must_not=[models.HasIdCondition(has_id=IDS[:4])]), [4, 5]),
    "should": (models.Filter(should=[of_document("a"), of_document("c")]), [0, 1, 4, 5]),
    "nested": (models.Filter(must=[readable_by("finance"), models.Filter(must_not=[readable_by("legal")])]), [2]),
    "empty": (models.Filter(), [0, 1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_filters_choose_the_same_points_in_every_call(chunks: QdrantClient, condition: str) -> None:
    wanted, expected = CONDITIONS[condition]
    searched = chunks.query_points("chunks", query=[1.0, 1.0, 1.0, 1.0], using="dense", query_filter=wanted).points
    scrolled, _ = chunks.scroll("chunks", scroll_filter=wanted, limit=10)
    assert sorted(numbers(searched)) == expected
    assert sorted(numbers(scrolled)) == expected
    assert chunks.count("chunks", count_filter=wanted, exact=True).count == len(expected)
    chunks.delete("chunks", models.FilterSelector(filter=wanted))
    assert chunks.count("chunks").count == len(POINTS) - len(expected)


def test_objects_in_arrays_are_matched_one_by_one(qdrant: QdrantClient) -> None:
    create(qdrant)
    spans = [[{"page": 1, "table": True}, {"page": 2, "table": False}], [{"page": 2, "table": True}]]
    qdrant.upsert(
        "chunks",
        [
            models.PointStruct(id=number, vector={"dense": [1.0, 0, 0, 0]}, payload={"spans": span})
            for number, span in enumerate(spans)
        ],
    )
    table_on_page_two = models.Filter(
        must=[
            models.FieldCondition(key="page", match=models.MatchValue(value=2)),
            models.FieldCondition(key="table", match=models.MatchValue(value=True)),
        ]
    )
    nested = models.NestedCondition(nested=models.Nested(key="spans", filter=table_on_page_two))
    found, _ = qdrant.scroll("chunks", scroll_filter=models.Filter(must=[nested]))
    assert [record.id for record in found] == [1]


def test_upsert_replaces_the_whole_point(chunks: QdrantClient) -> None:
    chunks.upsert("chunks", [models.PointStruct(id=IDS[0], vector={"dense": [0, 0, 0, 1.0]}, payload={"new": 1})])
    [stored] = chunks.retrieve("chunks", [IDS[0]], with_vectors=True)
    assert stored.payload == {"new": 1}
    assert stored.vector == {"dense": pytest.approx([0, 0, 0, 1.0])}
    assert chunks.count("chunks").count == len(POINTS)


def test_delete_by_ids_ignores_the_unknown(chunks: QdrantClient) -> None:
    chunks.delete("chunks", models.PointIdsList(points=[IDS[1], str(UUID(int=77))]))
    assert sorted(ids_of(chunks)) == sorted(set(IDS) - {IDS[1]})


def test_changed_access_counts_at_once_and_leaves_other_keys(chunks: QdrantClient) -> None:
    chunks.set_payload("chunks", {"access": ["board"]}, points=models.FilterSelector(filter=of_document("a")))
    chunks.set_payload("chunks", {"access": ["board"]}, points=[IDS[5]])
    found, _ = chunks.scroll("chunks", scroll_filter=readable_by("board"))
    assert sorted(numbers(found)) == [0, 1, 5]
    assert {record.payload["document"] for record in found if record.payload} == {"a", "c"}
    assert chunks.count("chunks", count_filter=readable_by("everyone")).count == 0


def test_an_indexed_field_filters_the_same(chunks: QdrantClient) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        chunks.create_payload_index("chunks", "access", models.PayloadSchemaType.KEYWORD)
    found, _ = chunks.scroll("chunks", scroll_filter=readable_by("finance"))
    assert sorted(numbers(found)) == [2, 3]


def test_scroll_lists_every_id_once(chunks: QdrantClient) -> None:
    assert ids_of(chunks) == sorted(IDS)


def test_retrieve_gives_what_there_is(chunks: QdrantClient) -> None:
    records = chunks.retrieve("chunks", [IDS[2], str(UUID(int=77))], with_payload=True)
    assert [(record.id, record.payload) for record in records] == [(IDS[2], POINTS[2].payload)]


def test_payloads_come_back_as_they_were(qdrant: QdrantClient) -> None:
    create(qdrant)
    payload = {
        "none": None,
        "n": -3,
        "x": 0.5,
        "yes": True,
        "text": "Größe ≤ 2",
        "deep": [{"a": [1, "b"]}, []],
        "o": {},
    }
    qdrant.upsert("chunks", [models.PointStruct(id=7, vector={"dense": [1.0, 0, 0, 0]}, payload=payload)])
    [record] = qdrant.retrieve("chunks", [7])
    assert record.payload == payload


def test_an_alias_moves_from_one_collection_to_another(chunks: QdrantClient) -> None:
    create(chunks, "next")
    point = {"dense": [0.0, 1.0, 0.0, 0.0]}
    chunks.upsert("next", [models.PointStruct(id=IDS[3], vector=point, payload={"generation": 2})])
    to_old = models.CreateAlias(collection_name="chunks", alias_name="serving")
    chunks.update_collection_aliases([models.CreateAliasOperation(create_alias=to_old)])
    assert chunks.collection_exists("serving")
    assert chunks.count("serving").count == len(POINTS)

    to_new = models.CreateAlias(collection_name="next", alias_name="serving")
    chunks.update_collection_aliases(
        [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="serving")),
            models.CreateAliasOperation(create_alias=to_new),
        ]
    )
    found = chunks.query_points("serving", query=[1.0, 0.0, 0.0, 0.0], using="dense").points
    assert [point.payload for point in found] == [{"generation": 2}]
    assert [(a.alias_name, a.collection_name) for a in chunks.get_aliases().aliases] == [("serving", "next")]

    renamed = models.RenameAlias(old_alias_name="serving", new_alias_name="current")
    chunks.update_collection_aliases([models.RenameAliasOperation(rename_alias=renamed)])
    assert not chunks.collection_exists("serving")
    assert [a.alias_name for a in chunks.get_collection_aliases("next").aliases] == ["current"]


def test_deleting_a_collection_takes_its_aliases_along(chunks: QdrantClient) -> None:
    alias = models.CreateAlias(collection_name="chunks", alias_name="serving")
    chunks.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    chunks.delete_collection("chunks")
    assert chunks.get_aliases().aliases == []
    assert chunks.get_collections().collections == []


def test_a_collection_tells_its_shape_and_size(chunks: QdrantClient) -> None:
    info = chunks.get_collection("chunks")
    assert info.points_count == len(POINTS)
    assert isinstance(info.config.params.vectors, dict)
    assert info.config.params.vectors["dense"].size == SIZE
    assert info.config.params.vectors["dense"].distance == models.Distance.COSINE
    assert info.config.params.sparse_vectors
    assert info.config.params.sparse_vectors["bm25"].modifier == models.Modifier.IDF
