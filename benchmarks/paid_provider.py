"""A provider of answers on this machine: OpenAI's stream, the same answer always, at a model's pace.

python -m benchmarks.paid_provider   (prints its address and serves until it is ended)
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

FIRST_TOKEN_S, TOKEN_S = 0.1, 0.01
WORDS = ("Lunch", "is", "served", "at", "noon", "in", "the", "canteen", "on", "the", "ground", "floor", "[1].")
_USAGE = {"prompt_tokens": 900, "completion_tokens": 30, "total_tokens": 930}


def _event(**more: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "large", **more}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _delta(text: str | None, finish_reason: str | None = None) -> bytes:
    delta = {} if text is None else {"role": "assistant", "content": text}
    return _event(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])


async def _stream() -> AsyncIterator[bytes]:
    await asyncio.sleep(FIRST_TOKEN_S)
    for word in WORDS:
        yield _delta(f"{word} ")
        await asyncio.sleep(TOKEN_S)
    yield _delta(None, "stop")
    yield _event(choices=[], usage=_USAGE)
    yield b"data: [DONE]\n\n"


async def _chat(request: Request) -> StreamingResponse:
    await request.body()
    return StreamingResponse(_stream(), media_type="text/event-stream")


def main() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    app = Starlette(routes=[Route("/v1/chat/completions", _chat, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
