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
        # Texts of like length together: a forward pass costs as much as its longest text.
        by_length = sorted(range(len(batch)), key=lambda i: batch[i].tokens)
        vectors = embedder.embed_texts([batch[i].text for i in by_length])
        dense = dict(zip(by_length, vectors, strict=True))
        yield [EmbeddedChunk(piece, dense[i], encode_chunk(sparse_text(piece, title))) for i, piece in enumerate(batch)]
        if on_progress:
            on_progress(at + len(batch), len(chunks))


def sparse_text(chunk: Chunk, title: str) -> str:
    """Put title and headings in front for the words' sake; dense vectors are measurably better without them."""
    return "\n".join((title, *chunk.heading_path, chunk.text))
