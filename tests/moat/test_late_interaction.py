"""What is kept of a chunk's word pieces is small and tells; what a question asks with weighs its rare pieces most."""

import numpy as np
import pytest

from moat.embedder import Embedder, Embedders
from moat.late_interaction import POOLED, Vocabulary
from moat.records import WordPieces
from moat.settings import EmbedderSettings

PIECES = ("[CLS]", "[SEP]", ",", "the", "of", "and", "lamp", "##s", "shelf", "oil", "wick")
VOCABULARY = Vocabulary({piece: at for at, piece in enumerate(PIECES)})


def read(*pieces: str) -> WordPieces:
    ids = np.array([PIECES.index(piece) for piece in pieces])
    return WordPieces(ids, np.eye(len(PIECES), dtype=np.float32)[ids])


def test_telling_pieces_are_pooled_with_their_neighbours() -> None:
    rows = VOCABULARY.of_chunk(read("[CLS]", "the", "lamp", "##s", "of", "shelf", ",", "oil", "[SEP]"))
    assert rows.shape == (2, len(PIECES))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    kept = [{PIECES[at] for at in np.flatnonzero(row)} for row in rows]
    assert kept == [{"lamp", "##s", "shelf"}, {"oil"}]


def test_a_chunk_of_function_words_keeps_what_it_has() -> None:
    assert VOCABULARY.of_chunk(read("[CLS]", "the", "of", "and", "[SEP]")).shape == (2, len(PIECES))


def test_a_questions_rare_pieces_weigh_most_and_all_of_them_one() -> None:
    lengths = np.linalg.norm(VOCABULARY.of_question(read("[CLS]", "the", "lamp", "wick", "[SEP]")), axis=1)
    assert lengths.sum() == pytest.approx(1)
    assert lengths[0] == lengths[1] < lengths[2] < lengths[3]


def test_where_the_order_of_a_vocabulary_is_unknown_all_pieces_weigh_the_same() -> None:
    unknown = Vocabulary({"aa": 0, "bb": 1, "cc": 2})
    lengths = np.linalg.norm(unknown.of_question(WordPieces(np.arange(3), np.eye(3, dtype=np.float32))), axis=1)
    np.testing.assert_allclose(lengths, 1 / 3)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_both_engines_find_the_passage_that_a_question_means(engine: str) -> None:
    embedder: Embedder = Embedders(EmbedderSettings(engine=engine)).get("all-MiniLM-L6-v2")  # type: ignore[arg-type]
    assert embedder.gives_tokens
    texts = ["The oil for the lamps stands on the second shelf.", "Holidays are agreed with your manager in writing."]
    vectors, tokens = embedder.embed_texts_and_tokens(texts * 20)
    np.testing.assert_allclose(vectors, embedder.embed_texts(texts * 20), atol=1e-6)
    assert all(len(rows) <= 1 + len(text.split()) / POOLED for rows, text in zip(tokens, texts, strict=False))
    for question, best in (("Where do we keep fuel?", 0), ("Who has to approve time off?", 1)):
        dense, asked = embedder.embed_question_and_tokens(question)
        np.testing.assert_allclose(dense, embedder.embed_question(question), atol=1e-6)
        scores = [float((asked @ rows.T).max(axis=1).sum()) for rows in tokens[:2]]
        assert int(np.argmax(scores)) == best
        assert max(scores) <= 1
