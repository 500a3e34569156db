"""Chunks to vectors, a batch at a time, so that the caller can store and report while it goes on."""

from collections.abc import Callable, Iterator, Sequence

from moat.embedder import Embedder
from moat.records import Chunk, EmbeddedChunk
from moat.sparse import encode_chunk

BATCH = 64


def embed(
    chunks: Sequence[Chunk],
    title: str,
    embedder: Embedder,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[list[EmbeddedChunk]]:
    """Yield the chunks with their vectors in batches of `BATCH`, in order; `on_progress` hears (done, total)."""
    for at in range(0, len(chunks), BATCH):
        batch = chunks[at : at + BATCH]
        dense = embedder.embed_texts([piece.text for piece in batch])
        yield [
            EmbeddedChunk(piece, vector, encode_chunk(sparse_text(piece, title)))
            for piece, vector in zip(batch, dense, strict=True)
        ]
        if on_progress:
            on_progress(at + len(batch), len(chunks))


def sparse_text(chunk: Chunk, title: str) -> str:
    """Put title and headings in front for the words' sake; dense vectors are measurably better without them."""
    return "\n".join((title, *chunk.heading_path, chunk.text))
