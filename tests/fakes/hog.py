"""A caller that pays no heed to refusals: `python -m tests.fakes.hog URL KEY CALLERS SECONDS` calls on and on."""

import asyncio
import json
import sys
import time
from collections import Counter

import httpx


async def hog(url: str, key: str, callers: int, seconds: float) -> Counter[str]:
    """Search with so many callers at once, each again as soon as it was answered; gives the statuses' counts."""
    counts: Counter[str] = Counter()
    until = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, limits=limits, timeout=60, trust_env=False
    ) as client:

        async def call() -> None:
            while time.monotonic() < until:
                try:
                    response = await client.post("/v1/search", json={"question": "When is lunch served?"})
                except httpx.HTTPError as error:
                    counts[type(error).__name__] += 1
                else:
                    counts[str(response.status_code)] += 1

        await asyncio.gather(*(call() for _ in range(callers)))
    return counts


if __name__ == "__main__":
    print(json.dumps(asyncio.run(hog(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))))
