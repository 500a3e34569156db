"""Asks a question in one process and gives every event with the finished answer."""

from answering.answer import Done, Event, Query, Sources, answer
from moat.records import Answer, Reader
from tests.fakes.library import Library


async def collect(query: Query, reader: Reader, library: Library) -> tuple[list[Event], Answer]:
    events = [event async for event in answer(query, reader, library.parts)]
    assert isinstance(events[0], Sources)
    last = events[-1]
    assert isinstance(last, Done)
    return events, last.answer
