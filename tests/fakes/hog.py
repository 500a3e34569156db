"""A caller that pays no heed to refusals: `python -m tests.fakes.hog URL KEY CALLERS SECONDS` calls on and on.

It writes bytes made once and reads no more of an answer than it must: what it costs itself is not the API's doing.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

_BODY = b'{"question": "When is lunch served?"}'


async def hog(url: str, key: str, callers: int, seconds: float) -> Counter[str]:
    """Search with so many callers at once, each again as soon as it was answered; gives the statuses' counts."""
    counts: Counter[str] = Counter()
    until = time.monotonic() + seconds
    host, port = urlsplit(url).hostname, urlsplit(url).port
    request = (
        f"POST /v1/search HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    ).encode() + _BODY

    async def call_on() -> None:
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                while time.monotonic() < until:
                    writer.write(request)
                    counts[await _status(reader)] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                counts[type(error).__name__] += 1
            finally:
                writer.close()

    await asyncio.gather(*(call_on() for _ in range(callers)))
    return counts


async def _status(reader: asyncio.StreamReader) -> str:
    """Read one answer to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
    return head.split(" ", 2)[1]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(hog(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))))
