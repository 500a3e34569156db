"""Damaged files of every format, straight into the sandbox: each ends within its limits, and touches nothing else."""

import os
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ingest.parse.members import UnpackLimits
from ingest.sandbox import Sandbox
from moat.errors import ParserCrashed, ParsingFailed
from moat.settings import SandboxSettings
from tests.fakes.mutants import Seed, mutants, seeds
from tests.fakes.watch import status_bytes, tree

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory and /proc are Linux's")
SEED = 20261124
LIMITS = SandboxSettings(memory_bytes=700_000_000, cpu_s=5, wall_s=15, max_output_bytes=5_000_000)
GRACE_S = 10.0
UNPACKED = UnpackLimits(members=50, member_bytes=2_000_000, total_bytes=5_000_000, max_expansion=200)
HOLDS_FILES = ("application/zip", "message/rfc822", "application/vnd.ms-outlook")


class Memory(threading.Thread):
    """Looks at every process below this one; `peak` is the largest address space that a parser ever had."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        this = psutil.Process()
        while not self.over.wait(0.1):
            for child in this.children(recursive=True):
                try:
                    if "ingest.fork_server" in child.cmdline():
                        self.peak = max(self.peak, status_bytes(child.pid, "VmPeak"))
                except (psutil.Error, OSError):
                    continue  # it ended meanwhile


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds all that is near: the children's own folders, the home, where the files are."""
    for name in ("tmp", "home", "files"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(place: Path, files: list[Seed]) -> Counter[str]:
    """Have every file read and check what must hold; gives how they ended."""
    box, memory, slowest = Sandbox(LIMITS), Memory(), 0.0
    started = set(os.listdir(place))  # noqa: PTH208
    memory.start()

    def read(file: Seed) -> tuple[str, float]:
        name, media_type, content = file
        path = place / "files" / name
        path.write_bytes(content)
        began = time.monotonic()
        try:
            parsed = box.parse(path, media_type, name)
            how = "read" if parsed.elements else "empty"
            if media_type in HOLDS_FILES:
                with box.unpack(path, media_type, name, UNPACKED):
                    pass
        except ParserCrashed:
            how = "crashed"
        except ParsingFailed as error:
            how = "refused" if error.hint else f"refused without a hint: {error.detail}"
        finally:
            took = time.monotonic() - began
            assert path.read_bytes() == content
            path.unlink()
        return how, took

    try:
        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(read, files))
        slowest = max(took for _, took in ended)
        # What reads the next file is as good as new.
        for name, media_type, content in seeds()[:3]:
            assert read((name, media_type, content))[0] == "read"
    finally:
        memory.over.set()
        memory.join(10)
        box.close()
    assert slowest <= 2 * (LIMITS.wall_s + GRACE_S)  # reading, and unpacking
    assert 0 < memory.peak <= LIMITS.memory_bytes
    assert set(os.listdir(place)) == started  # noqa: PTH208
    assert tree(place / "home") == tree(place / "files") == tree(place / "tmp") == set()
    counts = Counter(how for how, _ in ended)
    assert set(counts) <= {"read", "empty", "refused", "crashed"}
    print(f"{dict(counts)}, slowest {slowest:.1f} s, largest address space {memory.peak / 1e6:.0f} MB")
    return counts


def test_every_format_is_read_when_it_is_whole(place: Path) -> None:
    pictures = ("png", "jpeg", "tiff", "bmp", "webp")
    whole = [seed for seed in seeds() if not seed[0].endswith(pictures)]
    assert run(place, whole) == {"read": len(whole)}


def test_damaged_files_end_within_their_limits(place: Path) -> None:
    """A sample of the campaign below; pictures, which take longest, are left to it."""
    counts = run(place, mutants(SEED, 100, leave_out=("png", "jpeg", "tiff", "bmp", "webp", "odt", "epub")))
    assert counts["read"] > 10
    assert counts["refused"] > 5


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_eight_thousand_damaged_files_end_within_their_limits(place: Path) -> None:
    counts = run(place, mutants(SEED + 1, 8_000))
    assert counts["read"] > 1_000
    assert counts["refused"] > 1_000
