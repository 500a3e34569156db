"""Six points that a person can rank in the head, and short words for asking about them."""

from uuid import UUID, uuid5

from qdrant_client import QdrantClient, models

SPACE = UUID("6f0e1c1e-3a6d-4c0a-9b7a-52f1f6a8f001")
IDS = [str(uuid5(SPACE, str(number))) for number in range(6)]
SIZE = 4


def create(client: QdrantClient, name: str = "chunks") -> None:
    client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=SIZE, distance=models.Distance.COSINE)},
        sparse_vectors_config={"bm25": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )


def sparse(**weights: float) -> models.SparseVector:
    """Write `t3=1.0` as weight 1.0 of term 3."""
    return models.SparseVector(indices=[int(term[1:]) for term in weights], values=list(weights.values()))


# Term 1 is in five of six points and says little; term 9 is in one and says much.
POINTS = [
    models.PointStruct(
        id=IDS[number],
        vector={"dense": dense, "bm25": terms},
        payload={"access": access, "document": document, "ordinal": number, "draft": number == 5},
    )
    for number, (dense, terms, access, document) in enumerate(
        [
            ([1.0, 0.0, 0.0, 0.0], sparse(t1=1.0, t2=1.0), ["everyone"], "a"),
            ([0.9, 0.1, 0.0, 0.0], sparse(t1=1.0, t3=1.0), ["everyone"], "a"),
            ([0.8, 0.3, 0.0, 0.0], sparse(t1=1.0, t9=0.5), ["finance"], "b"),
            ([0.0, 1.0, 0.0, 0.0], sparse(t1=2.0), ["finance", "legal"], "b"),
            ([0.0, 0.0, 1.0, 0.0], sparse(t1=0.5, t4=1.0), ["legal"], "c"),
            ([0.0, 0.0, 0.6, 0.8], sparse(t5=1.0), [], "c"),
        ]
    )
]


def readable_by(*groups: str) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="access", match=models.MatchAny(any=list(groups)))])


def of_document(name: str) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="document", match=models.MatchValue(value=name))])


def numbers(points: list[models.ScoredPoint] | list[models.Record]) -> list[int]:
    return [IDS.index(str(point.id)) for point in points]


def ids_of(client: QdrantClient, name: str = "chunks", page: int = 2) -> list[str]:
    found: list[str] = []
    following = None
    while True:
        records, following = client.scroll(name, limit=page, offset=following, with_payload=False)
        found += [str(record.id) for record in records]
        if following is None:
            return found


def tiny_points(first: int, count: int, **payload: object) -> list[models.PointStruct]:
    """Make points numbered from `first`, each a little further from the first axis."""
    return [
        models.PointStruct(id=number, vector={"dense": [1.0, number / 100, 0, 0]}, payload={"n": number, **payload})
        for number in range(first, first + count)
    ]


def point_alias(client: QdrantClient, alias: str, collection: str) -> None:
    """Point an alias, new or old, at a collection."""
    action = models.CreateAlias(collection_name=collection, alias_name=alias)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=action)])
