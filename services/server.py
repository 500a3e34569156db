"""How the API listens: TLS, bounded headers, and no connection that is held without being used."""

import asyncio
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from moat.api_settings import ApiSettings
from moat.exposure import check_exposure, tls_context

STOP_WITHIN_S = 8
_KEEP_ALIVE_S = 5


def configuration(app: Any, api: ApiSettings) -> uvicorn.Config:
    """Say how to serve the application; raises InvalidRequest when it may not listen where the settings say."""
    check_exposure(api)
    return uvicorn.Config(
        app,
        host=api.host,
        port=api.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
        server_header=False,
        # services/network.py reads them, from declared proxies alone; uvicorn would believe all of this machine.
        proxy_headers=False,
        http=bounded_protocol(api.header_timeout_s),
        h11_max_incomplete_event_size=api.max_header_bytes,
        limit_concurrency=api.max_connections,
        ws="none",
        ssl_context_factory=None if api.tls_certificate is None else lambda config, default: tls_context(api),
    )


def bounded_protocol(header_timeout_s: float) -> type[H11Protocol]:
    """Make uvicorn's protocol close a connection whose request's header is not whole in time."""

    class BoundedHeader(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _watch(self) -> None:
            # Between two requests the keep-alive timer of uvicorn counts.
            waits_for_header = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
            if not waits_for_header:
                self._rest()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(header_timeout_s, self.transport.close)

        def _rest(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return BoundedHeader
