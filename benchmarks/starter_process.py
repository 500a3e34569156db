"""The starter in a process of its own, so that its memory can be told from the rest."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import ProcessTree, Stage, apart
from evaluation.records import FoundPassage

if TYPE_CHECKING:  # the child alone loads torch and the starter's libraries
    from benchmarks.starter import Starter

STARTER = "starter"
_built: list["Starter"] = []  # in the child: what its calls share


@dataclass(frozen=True, slots=True)
class Built:
    """What building took and gave; `word_pieces` are those of the chunks' own text, as Moat counts its chunks'."""

    stages: dict[str, Stage]
    files: int
    chunks: int
    word_pieces: int
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StarterProcess:
    """Build once, then search."""

    process: ProcessPoolExecutor
    tree: ProcessTree

    def build(self, root: Path, names: Sequence[str]) -> Built:
        """Index these files; see `benchmarks.starter.build`."""
        return self.process.submit(_build, root, list(names)).result()

    def search(self, question: str) -> tuple[FoundPassage, ...]:
        """Return the nearest passages, best first."""
        return self.process.submit(_search, question).result()

    def search_ms(self, question: str, limit: int) -> float:
        """Tell what one search takes by the child's own clock: the way there and back is not the starter's."""
        return self.process.submit(_search_ms, question, limit).result()


@contextmanager
def starter_process() -> Iterator[StarterProcess]:
    """Start the process; what was built in it goes with it."""
    with apart() as process:
        pid = process.submit(os.getpid).result()
        try:
            yield StarterProcess(process, ProcessTree(pid, {pid: STARTER}))
        finally:
            process.submit(_close).result()


def _build(root: Path, names: list[str]) -> Built:
    from benchmarks.starter import build

    _built.append(build(root, names))
    return _built[-1].built


def _search(question: str) -> tuple[FoundPassage, ...]:
    return _built[-1].search(question)


def _search_ms(question: str, limit: int) -> float:
    began = time.perf_counter()
    _built[-1].search(question, limit)
    return (time.perf_counter() - began) * 1000


def _close() -> None:
    while _built:
        _built.pop().close()
