"""Every call to Qdrant, embedded or not."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid5

import grpc
import httpx
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from moat.access import Rule
from moat.errors import Unavailable
from moat.lagging import UP_TO_DATE, Lagging
from moat.records import EmbeddedChunk
from moat.settings import Settings
from moat.vector_collections import declare, forms
from moat.vector_points import hit_of_message, message, point
from moat.vector_search import (
    ARMS,
    DENSE,
    SPARSE,
    Arm,
    Asked,
    Hit,
    Hits,
    Scored,
    hit_of,
    hits,
    readable_by,
    requests,
)

# A bigger batch holds the embedded engine's lock so long that questions wait for it.
UPSERT_POINTS = 64
SCROLL_POINTS = 2_000
COMPACT_TIMEOUT_S = 600


def point_id(generation_id: UUID, document_id: UUID, version: int, ordinal: int) -> UUID:
    """Name a point so that doing the work again changes nothing."""
    return uuid5(generation_id, f"{document_id}/{version}/{ordinal}")


class Vectors:
    """The collections of all generations."""

    def __init__(
        self,
        client: QdrantClient,
        token_forms: Sequence[models.Datatype] = (models.Datatype.FLOAT16,),
        *,
        grpc: bool = False,
        timeout_s: float = 30,
    ) -> None:
        self._client = client
        self._grpc = grpc
        self._timeout_s = timeout_s
        self._token_forms = token_forms
        self._made: set[str] = set()

    @classmethod
    def from_settings(cls, settings: Settings) -> "Vectors":
        qdrant = settings.qdrant
        # The key of the embedded server never leaves the loopback; a remote one is reached by https.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return cls(
            QdrantClient(
                url=qdrant.url,
                api_key=qdrant.api_key.get_secret_value() or None,
                grpc_port=qdrant.grpc_port,
                prefer_grpc=qdrant.prefer_grpc,
                timeout=int(qdrant.timeout_s),
                check_compatibility=False,
                # gRPC would otherwise wait up to two minutes before it looks for a restarted server again.
                grpc_options={
                    "grpc.initial_reconnect_backoff_ms": 100,
                    # This one is the patience of a single attempt: a busy machine needs more than the wait between two.
                    "grpc.min_reconnect_backoff_ms": 5000,
                    "grpc.max_reconnect_backoff_ms": 1000,
                },
            ),
            forms(qdrant.token_form),
            grpc=qdrant.prefer_grpc,
            timeout_s=qdrant.timeout_s,
        )

    def check(self) -> None:
        """Raise Unavailable when Qdrant does not answer."""
        with _translated():
            self._client.get_collections()

    def create(self, collection: str, dimension: int, *, tokens: bool = False) -> None:
        """Make a generation's collection; one that exists already is kept, one that was seen is not asked for again.

        With `tokens` its points may carry a vector for each of their words, to rescore with.
        """
        if collection in self._made:
            return
        with _translated():
            if self._client.collection_exists(collection):
                self._made.add(collection)
                return
            try:
                declare(self._client, collection, dimension, self._token_forms if tokens else ())
            except (ApiException, grpc.RpcError):
                if not self._client.collection_exists(collection):
                    raise  # else another worker was quicker
            for name in ("document_id", "access"):
                self._client.create_payload_index(collection, name, models.PayloadSchemaType.KEYWORD)
            self._client.create_payload_index(collection, "version", models.PayloadSchemaType.INTEGER)
        self._made.add(collection)

    def drop(self, collection: str) -> None:
        """Remove a collection; one that is gone already is fine."""
        self._made.discard(collection)
        with _translated():
            if self._client.collection_exists(collection):
                self._client.delete_collection(collection)

    def compact(self, collection: str) -> None:
        """Take what was deleted off the disk: the embedded Qdrant has when this returns, a server does so later."""
        # A server takes no smaller number, and vacuums no segment with fewer points.
        every = models.OptimizersConfigDiff(deleted_threshold=0, vacuum_min_vector_number=100)
        with _translated():
            self._client.update_collection(collection, optimizers_config=every, timeout=COMPACT_TIMEOUT_S)

    def count_document(self, collection: str, document_id: UUID) -> int:
        """Count a document's points."""
        with _translated():
            return self._client.count(collection, models.Filter(must=[_document(document_id)]), exact=True).count

    def collections(self) -> list[str]:
        """Name every collection there is."""
        with _translated():
            return [c.name for c in self._client.get_collections().collections]

    def upsert(
        self,
        collection: str,
        generation_id: UUID,
        document_id: UUID,
        version: int,
        access: Sequence[str],
        chunks: Sequence[EmbeddedChunk],
    ) -> None:
        """Write a document's chunks; the same chunks written again change nothing."""
        common = {"document_id": str(document_id), "version": version, "access": list(access)}
        write = message if self._grpc else point
        points = [write(point_id(generation_id, document_id, version, c.chunk.ordinal), common, c) for c in chunks]
        try:
            with _translated():
                for start in range(0, len(points), UPSERT_POINTS):
                    self._client.upsert(collection, points[start : start + UPSERT_POINTS], wait=True)
        except Unavailable:
            self._made.discard(collection)  # the next try looks whether it is there at all
            raise

    def delete_version(self, collection: str, document_id: UUID, version: int) -> None:
        """Remove one version's points."""
        self._delete(collection, _document(document_id), _equals("version", version))

    def delete_versions_below(self, collection: str, document_id: UUID, version: int) -> None:
        """Remove the points of every version older than this one."""
        older = models.FieldCondition(key="version", range=models.Range(lt=version))
        self._delete(collection, _document(document_id), older)

    def delete_ordinals_from(self, collection: str, document_id: UUID, version: int, ordinal: int) -> None:
        """Remove a version's points from this ordinal on."""
        beyond = models.FieldCondition(key="ordinal", range=models.Range(gte=ordinal))
        self._delete(collection, _document(document_id), _equals("version", version), beyond)

    def delete_document(self, collection: str, document_id: UUID) -> None:
        """Remove every point of a document."""
        self._delete(collection, _document(document_id))

    def delete_points(self, collection: str, ids: Sequence[UUID]) -> None:
        """Remove points by id."""
        with _translated():
            self._client.delete(collection, models.PointIdsList(points=[str(i) for i in ids]), wait=True)

    def set_access(self, collection: str, document_id: UUID, access: Sequence[str]) -> None:
        """Say who may read a document, without touching its vectors."""
        with _translated():
            self._client.set_payload(
                collection, {"access": list(access)}, points=models.Filter(must=[_document(document_id)]), wait=True
            )

    def ids(self, collection: str) -> Iterator[UUID]:
        """List the id of every point."""
        offset: Any = None
        while True:
            with _translated():
                records, offset = self._client.scroll(
                    collection, limit=SCROLL_POINTS, offset=offset, with_payload=False, with_vectors=False
                )
            yield from (UUID(str(record.id)) for record in records)
            if offset is None:
                return

    def count(self, collection: str) -> int:
        """Count the points."""
        with _translated():
            return self._client.count(collection, exact=True).count

    def point_alias(self, alias: str, collection: str) -> None:
        """Make the alias name this collection, in one step."""
        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=collection, alias_name=alias)
        )
        with _translated():
            self._client.update_collection_aliases([create])

    def delete_alias(self, alias: str) -> None:
        """Remove an alias; one that is gone already is fine."""
        with _translated():
            present = {a.alias_name for a in self._client.get_aliases().aliases}
            if alias in present:
                delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
                self._client.update_collection_aliases([delete])

    def aliases(self) -> dict[str, str]:
        """Map each alias to the collection it names."""
        with _translated():
            return {a.alias_name: a.collection_name for a in self._client.get_aliases().aliases}

    def search(
        self,
        collection: str,
        asked: Asked,
        rule: Rule,
        *,
        candidates: int,
        arms: Sequence[Arm] = ARMS,
        lagging: Lagging = UP_TO_DATE,
        documents: Sequence[UUID] | None = None,
    ) -> Hits:
        """Ask once: every arm and the rescoring of all they find in one request, the access filter inside each.

        With `documents` nothing else is looked at.
        """
        used = [arm for arm in arms if arm == DENSE or (arm == SPARSE and asked.sparse.indices)]
        if not used:
            return Hits((), {})
        wanted = requests(asked, used, readable_by(rule, lagging, documents), candidates)
        if self._grpc:
            return hits(used, asked, self._by_message(collection, wanted), hit_of_message)
        with _translated():
            responses = self._client.query_batch_points(collection, wanted)
        return hits(used, asked, [[(str(p.id), p.score, p) for p in r.points] for r in responses], hit_of)

    def _by_message(self, collection: str, wanted: Sequence[models.QueryRequest]) -> list[list[Scored]]:
        """Ask over the wire itself: the client copies every number of a request, and makes models of every answer."""
        written = [RestToGrpc.convert_query_request(one, collection) for one in wanted]
        with _translated():
            batch = pb.QueryBatchPoints(collection_name=collection, query_points=written)
            answered = self._client.grpc_points.QueryBatch(batch, timeout=self._timeout_s)
        return [[(point.id.uuid, point.score, point) for point in one.result] for one in answered.result]

    def get(self, collection: str, ids: Sequence[UUID]) -> list[Hit]:
        """Give the points of these ids that there are, in no order and without a score."""
        with _translated():
            found = self._client.retrieve(collection, [str(i) for i in ids], with_payload=True)
        return [hit_of(record) for record in found]

    def close(self) -> None:
        self._client.close()

    def _delete(self, collection: str, *conditions: models.FieldCondition) -> None:
        selector = models.FilterSelector(filter=models.Filter(must=list(conditions)))
        with _translated():
            self._client.delete(collection, selector, wait=True)


def _document(document_id: UUID) -> models.FieldCondition:
    return _equals("document_id", str(document_id))


def _equals(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiException, ResponseHandlingException, grpc.RpcError, httpx.HTTPError) as error:
        raise Unavailable("The vector store failed.", inside=str(error)[:300]) from error
