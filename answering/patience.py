"""Work that may hang, done beside the question that waits for it: the question goes on without it when it is late."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

Result = TypeVar("Result")
Given = TypeVarTuple("Given")
# Work that hangs keeps its thread. When all hang, what is asked for next is late too, and nobody waits for ever.
_AT_ONCE = 32
_WAITING_AT_ONCE = 200
_waiting: RunVar[CapacityLimiter] = RunVar("waiting")
_pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bounded")


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Give the work's result; raises TimeoutError when there is none after so many seconds, and whatever it raises."""
    future = _pool.submit(work)
    try:
        return future.result(seconds)
    except TimeoutError:
        future.cancel()  # if it has not begun
        raise


async def waiting(work: Callable[[*Given], Result], *given: *Given) -> Result:
    """Do work that may wait for a provider in a thread of its own kind: those that serve the API stay free."""
    try:
        places = _waiting.get()
    except LookupError:
        places = CapacityLimiter(_WAITING_AT_ONCE)
        _waiting.set(places)
    return await to_thread.run_sync(work, *given, limiter=places)
