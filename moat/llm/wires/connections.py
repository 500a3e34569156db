"""What outlives a call: its connection, which takes longer to open than a call's books to keep, and its client."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from moat.llm.wires.tls import tls

# Servers close idle connections too, some after five seconds; one that both sides close at once loses a call.
KEPT_S = 2.0
_KEPT_AT_MOST = 20


@dataclass(slots=True)
class Connections:
    """One event loop's: the HTTP client, and the provider clients made with it."""

    http: httpx.AsyncClient
    _clients: dict[Hashable, Any] = field(default_factory=dict)

    def client(self, name: Hashable, make: Callable[[httpx.AsyncClient], Any]) -> Any:
        """Give the client of that name; it must say all that it is made of, the key above all."""
        if name not in self._clients:
            self._clients[name] = make(self.http)
        return self._clients[name]


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = WeakKeyDictionary()


def connections() -> Connections:
    """Give the running loop's; each call still says how long it may take, and its provider how many there may be."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=_KEPT_AT_MOST, keepalive_expiry=KEPT_S)
        _of_loops[loop] = Connections(httpx.AsyncClient(limits=limits, verify=tls()))
    return _of_loops[loop]
