"""Threads that wait for the embedder share its next pass, each getting its own vectors."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from moat.records import Vector
from moat.rounds import Rounds


class SlowModel:
    """Encodes a text as its length, once it is let; `passes` are the texts of each pass."""

    def __init__(self) -> None:
        self.passes: list[list[str]] = []
        self.go = threading.Event()
        self.running = threading.Event()
        self.at_once = 0

    def encode(self, texts: list[str]) -> Vector:
        self.at_once += 1
        assert self.at_once == 1, "two passes at once"
        self.passes.append(texts)
        self.running.set()
        assert self.go.wait(20)
        self.at_once -= 1
        if "bad" in texts:
            raise ValueError("a bad text")
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def start(rounds: Rounds, model: SlowModel, requests: Sequence[list[str]]) -> list["Future[Vector]"]:
    """Ask the first, and all others while its pass runs."""
    pool = ThreadPoolExecutor(len(requests))
    futures = []
    for number, texts in enumerate(requests):
        futures.append(pool.submit(rounds.encode, texts))
        assert model.running.wait(20)
        deadline = time.monotonic() + 20
        while len(rounds._waiting) < number:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    pool.shutdown(wait=False)
    return futures


def test_what_waits_shares_the_next_pass_and_each_gets_its_own() -> None:
    model = SlowModel()
    rounds = Rounds(model.encode)
    futures = start(rounds, model, [["a"], ["bb", "ccc"], ["dddd"], ["bb"]])
    model.go.set()
    assert [f.result(20).tolist() for f in futures] == [[[1]], [[2], [3]], [[4]], [[2]]]
    assert model.passes == [["a"], ["bb", "ccc", "dddd"]]


def test_a_round_is_no_longer_than_its_bound_and_the_oldest_come_first() -> None:
    model = SlowModel()
    rounds = Rounds(model.encode, round_texts=3)
    futures = start(rounds, model, [["a"], ["b1", "b2"], ["c1", "c2"], ["d"], ["e1", "e2", "e3", "e4"]])
    model.go.set()
    for future in futures:
        future.result(20)
    assert model.passes == [["a"], ["b1", "b2"], ["c1", "c2", "d"], ["e1", "e2", "e3", "e4"]]


def test_an_error_reaches_everyone_of_its_round_and_nobody_else() -> None:
    model = SlowModel()
    rounds = Rounds(model.encode, round_texts=2)
    futures = start(rounds, model, [["a"], ["bad"], ["b"], ["cc", "dd"]])
    model.go.set()
    for broken in futures[1:3]:
        with pytest.raises(ValueError, match="a bad text"):
            broken.result(20)
    assert (futures[0].result(20).tolist(), futures[3].result(20).tolist()) == ([[1]], [[2], [2]])
    assert rounds.encode(["again"]).tolist() == [[5]]


def test_nothing_asked_is_nothing_encoded() -> None:
    assert Rounds(lambda texts: np.zeros((len(texts), 3), np.float32)).encode([]).shape == (0, 3)
