"""Work in a desk's threads: it gives or raises what it gave or raised, and nobody leaves before it has ended."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from moat.desk import Desk

pytestmark = pytest.mark.anyio
_asked_by: ContextVar[str] = ContextVar("asked_by")


async def test_work_is_done_in_another_thread_with_what_it_was_given() -> None:
    def work(number: int, *, by: int) -> tuple[int, int]:
        return number * by, threading.get_ident()

    product, thread = await Desk().do(work, 6, by=7)
    assert product == 42
    assert thread != threading.get_ident()


async def test_what_work_raises_is_raised_to_who_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        await Desk().do(lambda: 1 // 0)


async def test_work_knows_for_whom_it_is_done() -> None:
    _asked_by.set("ann")
    assert await Desk().do(_asked_by.get) == "ann"


@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_waits_for_the_end_of_what_was_begun(fails: bool) -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(10)
        ended.set()
        if fails:
            raise ValueError

    asking = asyncio.create_task(Desk().do(work))
    assert await asyncio.to_thread(begun.wait, 10)
    asking.cancel()
    ended_early, _ = await asyncio.wait({asking}, timeout=0.05)  # it cannot end by itself: the work is held up
    assert not ended_early
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()
