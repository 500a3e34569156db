"""Chunks to vectors, a batch at a time, so that the caller can store and report while it goes on."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence

import numpy as np

from ingest.pack import Half, key
from moat.embedder import Embedder
from moat.records import Chunk, EmbeddedChunk
from moat.sparse import encode_chunk

BATCH = 64


def embed(
    chunks: Sequence[Chunk],
    title: str,
    embedder: Embedder,
    on_progress: Callable[[int, int], None] | None = None,
    known: MutableMapping[bytes, Half] | None = None,
) -> Iterator[list[EmbeddedChunk]]:
    """Yield the chunks with their vectors in batches of `BATCH`, in order; `on_progress` hears (done, total).

    A text whose vector is in `known` is not embedded; the vectors of all others are added to it.
    """
    vectors = {} if known is None else known
    for at in range(0, len(chunks), BATCH):
        batch = chunks[at : at + BATCH]
        keys = [key(embedder, piece.text) for piece in batch]
        _embed_unknown(dict(zip(keys, batch, strict=True)), embedder, vectors)
        yield [
            # As it is kept, so that a vector is the same whether it was kept or has just been made.
            EmbeddedChunk(piece, vectors[name].astype(np.float32), encode_chunk(sparse_text(piece, title)))
            for name, piece in zip(keys, batch, strict=True)
        ]
        if on_progress:
            on_progress(at + len(batch), len(chunks))


def _embed_unknown(batch: dict[bytes, Chunk], embedder: Embedder, vectors: MutableMapping[bytes, Half]) -> None:
    unknown = [name for name in batch if name not in vectors]
    if unknown:
        made = embedder.embed_texts([batch[name].text for name in unknown]).astype(np.float16)
        vectors.update(zip(unknown, made, strict=True))


def sparse_text(chunk: Chunk, title: str) -> str:
    """Put title and headings in front for the words' sake; dense vectors are measurably better without them."""
    return "\n".join((title, *chunk.heading_path, chunk.text))
