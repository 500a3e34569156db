"""Chunks to vectors, a batch at a time, so that the caller can store and report while it goes on."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence

from ingest.pack import Kept, key
from moat.embedder import Embedder
from moat.records import Chunk, EmbeddedChunk
from moat.sparse import ENGLISH, encode_chunk

BATCH = 64


def embed(
    chunks: Sequence[Chunk],
    about: str,
    embedder: Embedder,
    on_progress: Callable[[int, int], None] | None = None,
    known: MutableMapping[bytes, Kept] | None = None,
    language: str = "",
    tokens: bool = False,
) -> Iterator[list[EmbeddedChunk]]:
    """Yield the chunks with their vectors in batches of `BATCH`, in order; `on_progress` hears (done, total).

    A text whose vectors are in `known` is not embedded; those of all others are added to it. With `tokens` the chunks
    get token vectors as well, of an embedder that gives them. Words are stemmed as `language` is, else as English;
    those of `about` find every chunk.
    """
    vectors = {} if known is None else known
    for at in range(0, len(chunks), BATCH):
        batch = chunks[at : at + BATCH]
        keys = [key(embedder, piece.text, tokens=tokens) for piece in batch]
        _embed_unknown(dict(zip(keys, batch, strict=True)), embedder, vectors, tokens)
        yield [_embedded(piece, about, language, vectors[name]) for name, piece in zip(keys, batch, strict=True)]
        if on_progress:
            on_progress(at + len(batch), len(chunks))


def _embed_unknown(
    batch: dict[bytes, Chunk], embedder: Embedder, vectors: MutableMapping[bytes, Kept], tokens: bool
) -> None:
    unknown = [name for name in batch if name not in vectors]
    if not unknown:
        return
    texts = [batch[name].text for name in unknown]
    if tokens:
        made = zip(*embedder.embed_texts_and_tokens(texts), strict=True)
        vectors.update((name, Kept.of(*both)) for name, both in zip(unknown, made, strict=True))
    else:
        vectors.update((name, Kept.of(one)) for name, one in zip(unknown, embedder.embed_texts(texts), strict=True))


def _embedded(piece: Chunk, about: str, language: str, kept: Kept) -> EmbeddedChunk:
    # As they are kept, so that vectors are the same whether they were kept or have just been made.
    sparse = encode_chunk(sparse_text(piece, about), language or ENGLISH)
    return EmbeddedChunk(piece, kept.text_vector(), sparse, kept.token_vectors())


def sparse_text(chunk: Chunk, about: str) -> str:
    """Put title, name and headings in front for the words' sake; dense vectors are measurably better without them."""
    return "\n".join((about, *chunk.heading_path, chunk.text))
