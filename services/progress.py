"""Progress as server-sent events: what changed, until nothing more will."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from anyio import to_thread
from sse_starlette import ServerSentEvent

from moat.errors import MoatError, NotFound
from services.problems import of_error
from services.schemas import Shape

S = TypeVar("S", bound=Shape)


async def progress(
    first: S, look: Callable[[], S], is_settled: Callable[[S], bool], poll_s: float
) -> AsyncIterator[ServerSentEvent]:
    """Tell every change as `progress`; end when it is settled, with `deleted` when it is gone, `error` on a fault."""
    told, shape = "", first
    while True:
        line = shape.model_dump_json()
        if line != told:
            told = line
            yield ServerSentEvent(line, event="progress")
        if is_settled(shape):
            return
        await asyncio.sleep(poll_s)
        try:
            shape = await to_thread.run_sync(look)
        except NotFound:
            yield ServerSentEvent(first.model_dump_json(include={"id"}), event="deleted")
            return
        except MoatError as error:  # the status was sent long ago
            yield ServerSentEvent(json.dumps(of_error(error)), event="error")
            return
