"""Packs of vectors: exact as they are kept, and never mistaken when damaged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ingest.embed import embed
from ingest.pack import Kept, dump_pack, key, load_pack
from moat.records import Chunk
from tests.fakes.embedder import WordsEmbedder

NAMES = st.binary(min_size=16, max_size=16)
FLOATS = st.floats(-1, 1, width=32)
VECTORS = st.builds(
    Kept.of,
    arrays.arrays(np.float32, 5, elements=FLOATS),
    st.none() | arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.just(5)), elements=FLOATS),
)


def same(one, other):
    fields = ("vector", "scales", "tokens")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


@given(st.dictionaries(NAMES, VECTORS, max_size=6))
def test_a_pack_gives_back_what_was_put_in(vectors):
    loaded = load_pack(dump_pack(vectors))
    assert list(loaded) == list(vectors)
    assert all(same(loaded[name], kept) for name, kept in vectors.items())


@given(st.integers(0, 145))
def test_a_pack_that_is_cut_off_is_refused(length):
    kept = Kept.of(np.ones(15, np.float32), np.ones((1, 15), np.float32))
    whole = dump_pack({bytes([n] * 16): kept for n in range(2)})
    assert len(whole) == 12 + 2 * (16 + 2 + 30 + 4 + 15)
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
    assert key(WordsEmbedder(), "one", tokens=True) not in names
    assert key(WordsEmbedder(), "one") in names


def test_a_known_vector_is_the_very_one_that_embedding_gave():
    pieces = [Chunk(n, f"word{n % 3} and more", 0, 1, None, (), 3) for n in range(5)]
    first, second, known = WordsEmbedder(), WordsEmbedder(), {}
    (made,) = embed(pieces, "Title", first, known=known, tokens=True)
    (kept,) = embed(pieces, "Title", second, known=load_pack(dump_pack(known)), tokens=True)
    assert len(first.texts) == 3  # the same text twice is embedded once
    assert second.texts == []
    for one, other in zip(made, kept, strict=True):
        assert np.array_equal(one.dense, other.dense)
        assert one.tokens is not None
        assert np.array_equal(one.tokens, other.tokens)


def test_eight_bits_keep_a_word_piece_where_it_was():
    rows = np.random.default_rng(7).normal(size=(300, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    again = Kept.of(rows[0], rows).token_vectors()
    np.testing.assert_allclose((rows * again).sum(axis=1), 1, atol=0.003)


def test_without_tokens_none_are_kept():
    (made,) = embed([Chunk(0, "a word", 0, 6, None, (), 2)], "Title", WordsEmbedder())
    assert made[0].tokens is None


def test_float16_keeps_the_order_of_neighbours():
    random = np.random.default_rng(5)
    vectors = random.normal(size=(2000, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions, halves = vectors[:50] + 0.02 * vectors[50:100], vectors.astype(np.float16).astype(np.float32)
    order = [np.argsort(-(v @ questions.T), axis=0)[:10] for v in (vectors, halves)]
    assert np.mean(order[0] == order[1]) > 0.99
