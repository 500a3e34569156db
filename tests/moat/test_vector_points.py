"""A point written straight as a message is the one that the client would write."""

import numpy as np
import pytest
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from moat.records import Chunk, EmbeddedChunk, SparseVector
from moat.vector_points import hit_of_message, message, point
from moat.vector_search import hit_of
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


@pytest.mark.parametrize("page", [None, 7])
def test_a_found_point_reads_the_same_from_the_wire_and_from_the_clients_model(page: int | None) -> None:
    chunk = Chunk(3, "A text, ü.", 5, 15, page, ("Top", "Below"), 4, ((3, 9), (4, 12)))
    embedded = EmbeddedChunk(chunk, np.ones(4, np.float32), SparseVector((1,), (1.0,)))
    common = {"document_id": str(document_id("d")), "version": 2, "access": ["hr"]}
    written = RestToGrpc.convert_point_struct(point(ID, common, embedded))
    found = pb.ScoredPoint(id=written.id, score=0.5, payload=written.payload)
    assert hit_of_message(found) == hit_of(GrpcToRest.convert_scored_point(found))
    assert hit_of_message(found).page == page
