"""Random worlds of people, documents and changes: what the API shows is what plain sets allow, no more and no less."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from answering import cache
from answering.cache import Kept
from tests.fakes.edge_process import EdgeProcess, edge_process
from tests.fakes.oracle import ROUNDS, Oracle

QUICK, ALL = 12, 500
MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def edge() -> Iterator[EdgeProcess]:
    with edge_process() as running:
        yield running


@pytest.fixture(scope="module")
def given_again() -> Iterator[list[int]]:
    """Count the answers that were kept and given again, by world: with none the cache would be on for nothing.

    One world's questions may all find other passages when they are asked again; those of several do not.
    """
    found: list[int] = []
    yield found
    assert any(found) or len(found) < QUICK, found


@pytest.mark.parametrize("seed", [*range(QUICK), *(pytest.param(s, marks=pytest.mark.soak) for s in range(QUICK, ALL))])
def test_people_are_shown_what_they_may_read_and_nothing_else(
    seed: int, edge: EdgeProcess, monkeypatch: pytest.MonkeyPatch, given_again: list[int]
) -> None:
    recall = cache.recall
    given_again.append(0)

    def noted(*asked: Any) -> Kept | None:
        kept = recall(*asked)
        given_again[-1] += kept is not None
        return kept

    monkeypatch.setattr(cache, "recall", noted)
    # In memory, where there is such a folder: each world writes a few thousand small commits.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        oracle = Oracle(seed, Path(folder), edge.client())
        try:
            oracle.play()
        finally:
            oracle.close()
    assert oracle.checked["searches"] >= ROUNDS
    assert min(oracle.checked.values()) > 0, oracle.checked
