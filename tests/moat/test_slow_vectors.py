"""A vector store that hangs is a clear error within its time limit, not a question that never ends."""

import os
import signal
import time

import numpy as np
import pytest

from moat.access import rule
from moat.errors import Unavailable
from moat.records import Reader, SparseVector
from moat.vector_search import Asked
from moat.vectors import Vectors
from tests.fakes.edge_process import edge_process

LIMIT_S = 0.5
ADMIN = Reader(None, "root", frozenset(), frozenset({"admin"}))


def test_a_search_gives_up_when_the_store_does_not_answer() -> None:
    with edge_process() as edge:
        vectors = Vectors(edge.client(), grpc=True, timeout_s=LIMIT_S)
        vectors.create("c", 4)
        asked = Asked(np.ones(4, np.float32), SparseVector((1,), (1.0,)))
        assert vectors.search("c", asked, rule(ADMIN), candidates=5).candidates == ()
        os.kill(edge.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(Unavailable):
                vectors.search("c", asked, rule(ADMIN), candidates=5)
            assert time.monotonic() - began < 10 * LIMIT_S
        finally:
            os.kill(edge.process.pid, signal.SIGCONT)
