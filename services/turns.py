"""Who is worked for next: one caller's hundred questions at once do not hold up another's one."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self
from weakref import WeakValueDictionary

from anyio import Semaphore, fail_after
from fastapi import Request

from moat.answering_settings import AnsweringSettings
from moat.errors import Unavailable
from moat.records import Reader


class Turns:
    """So many questions are worked on at once, of one caller at most half of them; the others wait in order."""

    def __init__(self, places: int, wait_s: float) -> None:
        self._places = Semaphore(places)
        self._most = max(1, places // 2)
        self._wait_s = wait_s
        self._callers: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()

    @classmethod
    def from_settings(cls, settings: AnsweringSettings) -> Self:
        return cls(settings.searches_at_once or max(2, os.cpu_count() or 1), settings.search_wait_s)

    @asynccontextmanager
    async def of(self, caller: str) -> AsyncIterator[None]:
        """Hold a place; raises Unavailable when none came free in time."""
        own = self._callers.setdefault(caller, Semaphore(self._most))
        try:
            with fail_after(self._wait_s):
                await own.acquire()
                try:
                    await self._places.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise Unavailable(
                f"No place to look for passages came free in {self._wait_s:g} s.",
                "Ask again in a moment; an operator gives more places with MOAT_ANSWERING__SEARCHES_AT_ONCE.",
            ) from None
        try:
            yield
        finally:
            self._places.release()
            own.release()


def turn_of(reader: Reader, request: Request) -> AbstractAsyncContextManager[None]:
    """Give a reader's question its place."""
    turns: Turns = request.app.state.turns
    return turns.of(reader.subject)
