"""Watches a running platform's parsing children from outside: how many there were, and the most that each ever held."""

import threading
from pathlib import Path

import psutil

from cli.up import Platform

_EVERY_S = 0.05
_SERVER = "ingest.fork_server"


class ParserWatch(threading.Thread):
    """Samples every process that parses; `peaks` holds each one's largest address space, as the kernel kept it."""

    def __init__(self, running: Platform) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._over = threading.Event()
        self.peaks: dict[tuple[int, float], int] = {}
        self.weight = 0  # the most that the worker and its children ever held together, what they share counted once

    def run(self) -> None:
        while not self._over.wait(_EVERY_S):
            worker = self._running.supervisor.pid("worker")
            if worker is not None:
                self._sample(worker)

    def stop(self) -> None:
        self._over.set()
        self.join(20)
        assert not self.is_alive()

    def _sample(self, worker: int) -> None:
        try:
            family = psutil.Process(worker).children(recursive=True)
        except psutil.Error:
            return
        parsers = set()
        for process in family:  # parents come before their children
            try:
                if process.ppid() in parsers or _SERVER in process.cmdline():
                    parsers.add(process.pid)
                    key = (process.pid, process.create_time())
                    self.peaks[key] = max(self.peaks.get(key, 0), status_bytes(process.pid, "VmPeak"))
            except (psutil.Error, OSError):
                continue  # it ended meanwhile
        self.weight = max(self.weight, sum(map(_proportional, (worker, *(p.pid for p in family)))))


def status_bytes(pid: int, field: str) -> int:
    """Read one of the kernel's figures of a process, 0 when it has none (any more)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def tree(folder: Path) -> set[str]:
    """Name everything in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
