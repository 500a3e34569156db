"""Turns: one caller has half of the places, and nobody waits for ever."""

import pytest
from anyio import create_task_group, sleep, sleep_forever

from moat.errors import Unavailable
from services.turns import Turns

pytestmark = pytest.mark.anyio


async def hold(turns: Turns, caller: str, held: list[str], seconds: float = 0.0) -> None:
    async with turns.of(caller):
        held.append(caller)
        await (sleep(seconds) if seconds else sleep_forever())


async def settled() -> None:
    for _ in range(10):
        await sleep(0)


async def test_one_caller_has_half_of_the_places() -> None:
    turns, held = Turns(4, 60), list[str]()
    async with create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(hold, turns, "greedy", held)
        await settled()
        assert held == ["greedy"] * 2
        tasks.start_soon(hold, turns, "other", held)
        await settled()
        assert held == ["greedy", "greedy", "other"]
        tasks.cancel_scope.cancel()


async def test_all_come_to_their_turn_in_order() -> None:
    turns, held = Turns(2, 60), list[str]()
    async with create_task_group() as tasks:
        for caller in "aaabbbccc":
            tasks.start_soon(hold, turns, caller, held, 0.001)
            await sleep(0)
    assert sorted(held) == list("aaabbbccc")
    assert set(held[:4]) >= {"a", "b"}


async def test_one_place_alone_is_given_too() -> None:
    turns, held = Turns(1, 60), list[str]()
    await hold(turns, "a", held, 0.001)
    assert held == ["a"]


async def test_who_waits_too_long_is_told_and_leaves_no_trace() -> None:
    turns, held = Turns(2, 0.02), list[str]()
    async with create_task_group() as tasks:
        for caller in "ab":
            tasks.start_soon(hold, turns, caller, held)
        await settled()
        for caller in "aabc":
            with pytest.raises(Unavailable, match="place"):
                await hold(turns, caller, held)
        tasks.cancel_scope.cancel()
    async with turns.of("a"), turns.of("b"):
        held.append("free again")
    assert held == ["a", "b", "free again"]


async def test_who_leaves_while_waiting_gives_the_place_to_the_next() -> None:
    turns, held = Turns(2, 60), list[str]()
    async with create_task_group() as holding:
        for caller in "ab":
            holding.start_soon(hold, turns, caller, held)
        await settled()
        async with create_task_group() as leaving:
            for caller in "acd":
                leaving.start_soon(hold, turns, caller, held)
            await settled()
            leaving.cancel_scope.cancel()
        holding.cancel_scope.cancel()
    async with turns.of("c"), turns.of("d"):
        held.append("free again")
    assert held == ["a", "b", "free again"]
