"""A reader that does what a script says, in the shape of llama-index's; importing it is quick."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "tests.fakes.reader.ScriptedReader"


@dataclass
class Page:
    """What llama-index calls a Document."""

    id_: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def get_content(self) -> str:
        return self.text


class ScriptedReader:
    """Reads a JSON list: documents as [id, text, metadata], and the names of what to do between them."""

    def __init__(self, script: str, password: str = "") -> None:
        self._steps = json.loads(Path(script).read_text())

    def lazy_load_data(self) -> Iterator[Page]:
        for step in self._steps:
            if isinstance(step, list):
                yield Page(*step)
            else:
                _ACTS[step["do"]](**{name: value for name, value in step.items() if name != "do"})


def _fail() -> None:
    raise RuntimeError("the wiki went away")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    time.sleep(600)


def _spin() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(50_000_000))


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def _write(path: str) -> None:
    Path(path).write_text("was here")


def _must_lack(name: str) -> None:
    if name in os.environ:
        raise RuntimeError(f"{name} is in the environment")


_ACTS = {
    "fail": _fail,
    "die": _die,
    "hang": _hang,
    "spin": _spin,
    "eat": _eat,
    "connect": _connect,
    "write": _write,
    "must_lack": _must_lack,
}
