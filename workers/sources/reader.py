"""A llama-index reader as a source of documents: it runs in a child of its own, and what the child says is checked."""

import json
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.sandbox_process import child_environment
from moat.errors import InvalidRequest
from moat.source_settings import SourceSettings
from workers.sources.listing import Item, Listing

log = logging.getLogger(__name__)

MOST_LINE_BYTES = 1_000_000
_TICK_S = 0.5
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def read_with(
    source: SourceSettings, prefix: str, allowed: Sequence[str], folder: Path, alive: Callable[[], None]
) -> Listing:
    """Run the reader into the folder; one that raises, dies or breaks a limit leaves a partial listing.

    Raises InvalidRequest for a reader that moat.toml does not allow.
    """
    if source.reader not in allowed:
        raise InvalidRequest(
            f"The reader {source.reader!r} is not in the allowlist.", "Name it in moat.toml: [readers] allow = [...]."
        )
    found = _Found(source, prefix, folder / "documents")
    found.folder.mkdir()
    with _Child(source, folder) as child:
        for line in child.lines(alive):
            if found.take(line):
                break
        else:
            found.missing.append(child.death())
    return Listing(tuple(found.items.values()), tuple(found.missing), tuple(found.warnings))


@dataclass(slots=True)
class _Found:
    """What the child has said so far."""

    source: SourceSettings
    prefix: str
    folder: Path
    items: dict[str, Item] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, line: bytes) -> bool:
        """Note one line; True when it is the last."""
        try:
            said: dict[str, Any] = json.loads(line)
            if "error" in said:
                self.missing.append(str(said["error"])[:500])
                log.warning("a reader failed: %s", str(said.get("trace", ""))[:8000])
            if "empty" in said:
                self.warnings.append(f"{str(said['empty'])[:200]} holds no text.")
            if "file" in said:
                self._add(said)
            return "error" in said or "done" in said
        except (ValueError, KeyError, TypeError, OSError) as error:
            self.missing.append(f"The reader's process said something that cannot be understood: {error!r:.200}")
            return True

    def _add(self, said: dict[str, Any]) -> None:
        path = self.folder / f"{int(said['file'])}.{self.source.text_as}"
        stat = path.lstat()
        if not path.is_file() or path.is_symlink():
            raise ValueError(f"{path.name} is no file")
        key = f"{self.prefix}{said['id']}"
        if key in self.items:
            self.missing.append(f"Two documents have the id {str(said['id'])[:200]!r}: only the first was taken.")
            return
        groups = said["groups"]
        self.items[key] = Item(
            path,
            key,
            stat.st_size,
            None if groups is None else tuple(str(group) for group in groups),
            dict(said["metadata"]),
            _filename(said, self.source.text_as),
        )


def _filename(said: dict[str, Any], text_as: str) -> str:
    """Name a document as people would: by its title, where the reader states one."""
    titles = (said["metadata"].get(name) for name in ("title", "file_name"))
    title = next((title for title in titles if isinstance(title, str) and title.strip()), str(said["id"]))
    name = "".join(c if c.isprintable() and c not in "/\\" else " " for c in title).strip()[:200]
    return name if name.lower().endswith(f".{text_as}") else f"{name}.{text_as}"


class _Child:
    """The process that the reader runs in."""

    def __init__(self, source: SourceSettings, folder: Path) -> None:
        self._source = source
        self._deadline = time.monotonic() + source.wall_s
        self._home = folder / "home"
        self._home.mkdir()
        environment = child_environment(self._home)
        if source.network:
            environment |= {name: os.environ[name] for name in _CERTIFICATES if name in os.environ}
        self._errors = (folder / "stderr").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.sources.reader_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._home,
            env=environment,
            start_new_session=True,
        )
        self._late = False
        wanted = source.model_dump(mode="json") | {"parent": os.getpid(), "into": str(folder / "documents")}
        # Over the pipe: arguments hold passwords, and every process of the machine can read a command line.
        self._send(json.dumps(wanted).encode() + b"\n")

    def _send(self, request: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 (it was asked for)
        try:
            self._process.stdin.write(request)
            self._process.stdin.close()
        except BrokenPipeError:
            log.info("a reader's process ended before it was told what to do")

    def lines(self, alive: Callable[[], None]) -> Iterator[bytes]:
        """Give what the child says, line by line, until it ends or its time is over."""
        assert self._process.stdout is not None  # noqa: S101
        descriptor = self._process.stdout.fileno()
        ready = select.poll()
        ready.register(descriptor, select.POLLIN | select.POLLHUP)
        rest = b""
        while time.monotonic() < self._deadline:
            alive()
            if not ready.poll(_TICK_S * 1000):
                continue
            piece = os.read(descriptor, 1 << 16)
            if not piece or len(rest) > MOST_LINE_BYTES:
                return
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        self._late = True

    def death(self) -> str:
        """Say why it ended without a last word."""
        if self._late:
            return f"Reading took longer than {self._source.wall_s:g} seconds (wall_s)."
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            code = 0
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4000))
        log.warning("a reader's process ended with %s: %s", code, self._errors.read().decode("utf-8", "replace"))
        if code == -signal.SIGXCPU:
            return f"Reading took more than {self._source.cpu_s} CPU seconds (cpu_s)."
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with code {code}"
        return f"The reader's process {how}; the worker's log has its last words."

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdout.close()
        self._errors.close()
        shutil.rmtree(self._home, ignore_errors=True)
