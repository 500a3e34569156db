"""The embedder gives what the model's own encode() gives, in order, from any number of threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from moat.embedder import Embedders, SentenceTransformerEmbedder
from moat.errors import InvalidRequest
from moat.settings import EmbedderSettings

TEXTS = [f"Sentence {n} says {'very ' * (n % 7)}little about lanterns." for n in range(50)]


@pytest.fixture(scope="module")
def embedder() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder("all-MiniLM-L6-v2", EmbedderSettings(batch_size=8, passes=3))


def test_vectors_are_the_models_own_in_the_order_of_the_texts(embedder: SentenceTransformerEmbedder) -> None:
    expected = embedder._model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(embedder.embed_texts(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_question(TEXTS[7]), expected[7], atol=1e-5)
    assert embedder.embed_texts([]).shape == (0, embedder.dimension)


def test_many_threads_may_embed_and_count_at_once(embedder: SentenceTransformerEmbedder) -> None:
    alone, spans = embedder.embed_texts(TEXTS), embedder.token_spans(TEXTS[0])
    with ThreadPoolExecutor(8) as threads:
        embedded = [threads.submit(embedder.embed_texts, TEXTS) for _ in range(4)]
        counted = [threads.submit(embedder.token_spans, TEXTS[0]) for _ in range(20)]
        for future in embedded:
            np.testing.assert_allclose(future.result(), alone, atol=1e-5)
        assert all(future.result() == spans for future in counted)


def test_spans_are_of_the_text_itself(embedder: SentenceTransformerEmbedder) -> None:
    text = "Grüße aus Zürich: unaffordable"
    pieces = [text[start:end] for start, end in embedder.token_spans(text)]
    assert "".join(pieces) == text.replace(" ", "")


def test_an_embedder_that_is_not_here_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no embedder") as refused:
        Embedders(EmbedderSettings()).get(str(tmp_path))
    assert "all-MiniLM-L6-v2" in refused.value.hint
