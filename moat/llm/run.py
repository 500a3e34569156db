"""A call under way, between who reads its answer and the attempts that make it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from moat.records import Usage


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text; each says which model it is of, the last one the usage and why it stopped."""

    text: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    tool_call: bool = False
    model: str = ""


@dataclass(slots=True)
class Run:
    """A call under way: it goes on by itself when its reader leaves, until its bill is known."""

    deadline: float
    first_token_s: float | None = None
    deltas: asyncio.Queue[Delta | None] = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    timeout: asyncio.Timeout | None = None
    text: list[str] = field(default_factory=list)
    attempts: int = 0

    def leave(self, drain_s: float) -> None:
        """The reader is gone: read on for the bill, but not for long."""
        self.left.set()
        self.deadline = min(self.deadline, asyncio.get_running_loop().time() + drain_s)
        self.reschedule()

    def reschedule(self) -> None:
        """Give an attempt all the time there is, once its first text has come."""
        if self.timeout is not None and not self.timeout.expired():
            self.timeout.reschedule(self.deadline)

    @contextmanager
    def timed_by(self, timeout: asyncio.Timeout) -> Iterator[None]:
        """Say by what the attempt under way is timed, as long as that can be changed."""
        self.timeout = timeout
        try:
            yield
        finally:
            self.timeout = None
