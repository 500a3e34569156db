"""Who is at the other end: a proxy that may speak for others, a caller over TLS, or this machine."""

import ipaddress
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from moat.errors import InsecureTransport
from services.problems import of_error, respond

_UNDECLARED = InsecureTransport(
    "This call came over the network without TLS, and not from a declared proxy.",
    "Use the https address; an operator names the proxy's own address in MOAT_API__TRUSTED_PROXIES.",
)


class Peers:
    """Believes what trusted proxies say about their callers, and refuses plain HTTP from beyond this machine."""

    def __init__(self, app: ASGIApp, trusted_proxies: tuple[str, ...]) -> None:
        self._app = app
        self._trusted = tuple(ipaddress.ip_network(proxy) for proxy in trusted_proxies)
        behind_proxy: Any = ProxyHeadersMiddleware(app, list(trusted_proxies))  # type: ignore[arg-type]
        self._behind_proxy: ASGIApp = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = _address(scope)
        if address is not None and any(address in network for network in self._trusted):
            await self._behind_proxy(scope, receive, send)
        elif scope["scheme"] == "https" or address is None or address.is_loopback:
            await self._app(scope, receive, send)
        else:
            await respond(of_error(_UNDECLARED), {"Connection": "close"})(scope, receive, send)


def _address(scope: Scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Give the address of the connection's other end; None for a Unix socket."""
    try:
        found = ipaddress.ip_address(scope["client"][0].partition("%")[0])
    except (TypeError, KeyError, ValueError):
        return None
    return getattr(found, "ipv4_mapped", None) or found
