"""Threads for an event loop's short work on the catalog.

The loop's general way to a thread takes several turns of the loop and shares its threads with whatever else needs one;
a paid call goes that way twice, and beside its own statements that was much of what its books took.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SEATS = 16  # more than a process has connections to the catalog would be of no use


class Desk:
    """Does work in threads of its own, in the order in which it comes."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(SEATS, "desk")

    async def do(self, work: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        """Give what `work` gives; who is cancelled meanwhile still waits for its end, as it may have written."""
        result = asyncio.wrap_future(self._threads.submit(copy_context().run, partial(work, *args, **named)))
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            await asyncio.wait({result})
            result.exception()  # nobody is left to hear of it
            raise
