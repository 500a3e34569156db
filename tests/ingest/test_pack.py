"""Packs of vectors: exact in float16, and never mistaken when damaged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ingest.embed import embed
from ingest.pack import dump_pack, key, load_pack
from moat.records import Chunk
from tests.fakes.embedder import WordsEmbedder

NAMES = st.binary(min_size=16, max_size=16)
VECTORS = arrays.arrays(np.float16, 5, elements=st.floats(-1, 1, width=16))


@given(st.dictionaries(NAMES, VECTORS, max_size=6))
def test_a_pack_gives_back_what_was_put_in(vectors):
    loaded = load_pack(dump_pack(vectors))
    assert list(loaded) == list(vectors)
    assert all(np.array_equal(loaded[name], vector) for name, vector in vectors.items())


@given(st.integers(0, 91))
def test_a_pack_that_is_cut_off_is_refused(length):
    whole = dump_pack({bytes([n] * 16): np.ones(15, np.float16) for n in range(2)})
    assert len(whole) == 12 + 2 * (16 + 30)
    with pytest.raises(ValueError, match="pack of vectors"):
        load_pack(whole[:length])


def test_a_vector_is_named_by_its_text_and_its_embedder():
    names = {
        key(WordsEmbedder(), "one"),
        key(WordsEmbedder(), "two"),
        key(WordsEmbedder("other"), "one"),
        key(WordsEmbedder(dimension=32), "one"),
    }
    assert len(names) == 4
    assert key(WordsEmbedder(), "one") in names


def test_a_known_vector_is_the_very_one_that_embedding_gave():
    pieces = [Chunk(n, f"word{n % 3} and more", 0, 1, None, (), 3) for n in range(5)]
    first, second, known = WordsEmbedder(), WordsEmbedder(), {}
    (made,) = embed(pieces, "Title", first, known=known)
    (kept,) = embed(pieces, "Title", second, known=load_pack(dump_pack(known)))
    assert len(first.texts) == 3  # the same text twice is embedded once
    assert second.texts == []
    assert all(np.array_equal(one.dense, other.dense) for one, other in zip(made, kept, strict=True))


def test_float16_keeps_the_order_of_neighbours():
    random = np.random.default_rng(5)
    vectors = random.normal(size=(2000, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions, halves = vectors[:50] + 0.02 * vectors[50:100], vectors.astype(np.float16).astype(np.float32)
    order = [np.argsort(-(v @ questions.T), axis=0)[:10] for v in (vectors, halves)]
    assert np.mean(order[0] == order[1]) > 0.99
