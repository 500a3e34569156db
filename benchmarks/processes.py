"""What processes cost: seconds and memory, of this one, of others with their children, and of work done apart."""

import multiprocessing
import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import psutil

SAMPLE_EVERY_S = 0.5
TOGETHER = "together"
PACKAGES = ("llama-index-core", "unstructured", "sentence-transformers", "torch", "qdrant-client", "qdrant-edge-py")


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage took; `cpu_s` counts this process and the children it has waited for."""

    wall_s: float
    cpu_s: float


@contextmanager
def timed(stages: dict[str, Stage], name: str) -> Iterator[None]:
    """Put what the block took into `stages`."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    yield
    stages[name] = Stage(wall_s=time.perf_counter() - wall, cpu_s=sum(os.times()[:4]) - cpu)


@contextmanager
def apart() -> Iterator[ProcessPoolExecutor]:
    """Offer one fresh process that keeps its state between calls, so that its memory is only its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        yield process


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process and all below it; `names` says by pid which are told apart, the others count with their parent."""

    root: int
    names: Mapping[int, str]

    def cpu_s(self) -> float:
        """Sum the CPU seconds so far, those of ended children included."""
        return sum(self.cpu_by_name().values())

    def cpu_by_name(self) -> dict[str, float]:
        """Tell the CPU seconds so far by name, those of ended children included."""
        spent: Counter[str] = Counter()
        for name, process in self._members():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            spent[name] += times.user + times.system + times.children_user + times.children_system
        return dict(spent)

    def memory_mb(self) -> dict[str, "Memory"]:
        """Tell the memory by name now, and of all together."""
        pss: Counter[str] = Counter()
        rss: Counter[str] = Counter()
        for name, process in self._members():
            try:
                memory = process.memory_full_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended meanwhile
                continue
            for key in (name, TOGETHER):
                pss[key] += getattr(memory, "pss", memory.uss)  # only Linux shares shared pages out
                rss[key] += memory.rss
        return {name: Memory(pss[name] / 1e6, rss[name] / 1e6) for name in pss}

    def _members(self) -> list[tuple[str, psutil.Process]]:
        root = psutil.Process(self.root)
        below = root.children(recursive=True)
        parents: dict[int, int] = {}
        for process in below:
            try:
                parents[process.pid] = process.ppid()
            except psutil.NoSuchProcess:
                parents[process.pid] = self.root
        return [(self._name(process.pid, parents), process) for process in (root, *below)]

    def _name(self, pid: int, parents: Mapping[int, int]) -> str:
        while pid not in self.names:
            pid = parents.get(pid, self.root)
        return self.names[pid]


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: `pss` shares out what several processes map, `rss` counts it for each."""

    pss: float
    rss: float


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that was seen, by name and of all together."""

    by_name: dict[str, Memory] = field(default_factory=dict)

    def note(self, seen: Mapping[str, Memory]) -> None:
        """Keep whatever is above what was seen before."""
        for name, now in seen.items():
            before = self.by_name.get(name, now)
            self.by_name[name] = Memory(max(before.pss, now.pss), max(before.rss, now.rss))


@contextmanager
def watched(tree: ProcessTree) -> Iterator[Peaks]:
    """Look at the tree's memory twice a second while the block runs."""
    peaks, ended = Peaks(), threading.Event()

    def watch() -> None:
        while True:
            peaks.note(tree.memory_mb())
            if ended.wait(SAMPLE_EVERY_S):
                return

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def machine() -> dict[str, Any]:
    """Describe the machine by its kind, with what else keeps it busy and the versions that matter."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "versions": {package: version(package) for package in PACKAGES},
    }
