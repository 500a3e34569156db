"""A sandbox's parser that does what the document's name says."""

import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument


def preload() -> None:
    """Import nothing: what it acts needs no parser."""


def parse(path: Path, media_type: str, name: str, max_expansion: int) -> ParsedDocument:
    return ParsedDocument((Element("text", ACTS[name](path)),))


def _report(path: Path) -> str:
    return json.dumps({"pid": os.getpid(), "environment": dict(os.environ), "folder": str(Path.cwd())})


def _hog(path: Path) -> str:
    hoard = []
    while True:
        hoard.append(bytearray(50_000_000))


def _loop(path: Path) -> str:
    while True:
        pass


def _sleep(path: Path) -> str:
    time.sleep(600)
    return ""


def _segfault(path: Path) -> str:
    ctypes.string_at(0)
    return ""


def _exit(path: Path) -> str:
    os._exit(3)


def _shout(path: Path) -> str:
    return "x" * 3_000_000


def _print(path: Path) -> str:
    print("noise on standard output", flush=True)
    os.write(1, b"and on its descriptor")
    return "quiet"


def _bug(path: Path) -> str:
    raise KeyError("internal-detail-42")


def _refuse(path: Path) -> str:
    raise ParsingFailed("It is sealed.", "Unseal it.")


def _recurse(path: Path) -> str:
    return _recurse(path)


def _tried(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "it worked"


def _connect(path: Path) -> str:
    port = int(path.read_text())
    return _tried(lambda: socket.create_connection(("127.0.0.1", port), timeout=5))


def _connect_in_c(path: Path) -> str:
    """Open the connection below Python, as a parser's C code could."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.socket(2, 1, 0)
    address = (
        (2).to_bytes(2, sys.byteorder) + int(path.read_text()).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    )
    return "it worked" if libc.connect(handle, address, 16) == 0 else f"errno {ctypes.get_errno()}"


def _write_outside(path: Path) -> str:
    return _tried(lambda: path.write_text("changed"))


def _write_outside_in_c(path: Path) -> str:
    """Overwrite, remove and make files below Python, as a parser's C code could."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = [
        libc.open(bytes(path), os.O_WRONLY | os.O_TRUNC) >= 0,
        libc.unlink(bytes(path)) == 0,
        libc.creat(bytes(path.parent / "made"), 0o600) >= 0,
        libc.mkdir(bytes(path.parent / "folder"), 0o700) == 0,
        libc.rename(bytes(path), bytes(path.parent / "moved")) == 0,
    ]
    return json.dumps(done)


def _write_inside(path: Path) -> str:
    Path("scratch").write_text("fine")
    return Path("scratch").read_text()


def _delete_outside(path: Path) -> str:
    return _tried(path.unlink)


def _start_program(path: Path) -> str:
    return _tried(lambda: subprocess.run(["true"], check=True))


def _big_file(path: Path) -> str:
    def write() -> None:
        with Path("scratch").open("wb") as file:
            for _ in range(100):
                file.write(b"x" * 1_000_000)

    return _tried(write)


ACTS: dict[str, Callable[[Path], str]] = {
    name[1:]: act for name, act in list(globals().items()) if name.startswith("_") and callable(act)
}
