"""How a collection is declared: its vectors, and in which form a server can keep those of words."""

from collections.abc import Sequence

import grpc
import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from moat.vector_search import DENSE, SPARSE, TOKENS

# Four bits a number rank as sixteen do (docs/decisions/0021), but older servers do not know them.
SMALLEST_FIRST = (models.Datatype.TURBO4, models.Datatype.TURBO8, models.Datatype.FLOAT16)


def forms(setting: str) -> tuple[models.Datatype, ...]:
    """Read a setting: the forms of token vectors to try, in order."""
    return SMALLEST_FIRST if setting == "auto" else (models.Datatype(setting),)


def declare(client: QdrantClient, collection: str, dimension: int, token_forms: Sequence[models.Datatype]) -> None:
    """Make a collection, its token vectors in the first form that the server knows; without any form it has none."""
    tried: Sequence[models.Datatype | None] = token_forms or (None,)
    for form in tried:
        try:
            client.create_collection(
                collection,
                vectors_config=_dense_vectors(dimension, form),
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
        except (ApiException, grpc.RpcError) as error:
            if form == tried[-1] or not _is_refusal(error):
                raise
        else:
            return


def _dense_vectors(dimension: int, form: models.Datatype | None) -> dict[str, models.VectorParams]:
    declared = {DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)}
    if form is not None:
        declared[TOKENS] = models.VectorParams(
            size=dimension,
            # A question's rows are longer the rarer their words: cosine would make them equal again.
            distance=models.Distance.DOT,
            on_disk=True,
            datatype=form,
            hnsw_config=models.HnswConfigDiff(m=0),  # candidates are rescored, never searched for, by these
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        )
    return declared


def _is_refusal(error: Exception) -> bool:
    """Tell a request that the server does not understand from a server that is away."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
    unknown = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED)
    return isinstance(error, grpc.RpcError) and error.code() in unknown
