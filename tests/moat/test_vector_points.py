"""A point written straight as a message is the one that the client would write."""

import numpy as np
from qdrant_client.conversions.conversion import RestToGrpc

from moat.records import Chunk, EmbeddedChunk, SparseVector
from moat.vector_points import message, point
from moat.vectors import point_id
from tests.fakes.passages import document_id

ID = point_id(document_id("g"), document_id("d"), 1, 0)


def test_both_ways_of_writing_a_point_give_the_same_message() -> None:
    chunk = Chunk(3, "A text, ü.", 5, 15, 2, ("Top", "Below"), 4, ((3, 9),))
    dice = np.random.default_rng(3)
    for rows, size in ((1, 8), (40, 384), (3, 31), (2, 32)):
        tokens = dice.normal(size=(rows, size)).astype(np.float32)
        embedded = EmbeddedChunk(chunk, tokens[0], SparseVector((7, 9), (0.5, 1.5)), tokens)
        expected = RestToGrpc.convert_point_struct(point(ID, {"access": ["hr"]}, embedded))
        assert message(ID, {"access": ["hr"]}, embedded) == expected


def test_without_token_vectors_there_is_no_word_of_them() -> None:
    embedded = EmbeddedChunk(Chunk(0, "a", 0, 1, None, (), 1), np.ones(4, np.float32), SparseVector((1,), (1.0,)))
    assert set(message(ID, {}, embedded).vectors.vectors.vectors) == {"dense", "sparse"}
