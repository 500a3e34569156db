"""Bounds that hold before any route runs: the size of a body, and which pages may call."""

import time

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moat.database import Database
from moat.errors import TooLarge
from moat.tables import Widget
from services.problems import of_error, respond

ORIGINS_KNOWN_FOR_S = 5.0
_WIDGET_PATHS = ("/v1/widget-sessions", "/v1/answers")


class BodyLimit:
    """Refuses a body over the limit, by its declared length or while it is read; uploads have limits of their own."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"] == "POST" and scope["path"].endswith("/documents")):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._limit:
            await self._refuse(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise self._error()
            return message

        await self._app(scope, counted, send)

    def _error(self) -> TooLarge:
        return TooLarge(f"The body is over {self._limit:,} bytes.", "Send less, or upload it as a document.")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(of_error(self._error()), {"Connection": "close"})(scope, receive, send)


class WidgetCors(CORSMiddleware):
    """Lets the pages that a widget is registered for call what a widget calls, and no others."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        super().__init__(
            app, allow_methods=["GET", "POST"], allow_headers=["authorization", "content-type"], max_age=600
        )
        self._database = database
        self._origins: frozenset[str] = frozenset()
        self._read_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_WIDGET_PATHS):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def is_allowed_origin(self, origin: str) -> bool:
        if time.monotonic() - self._read_at > ORIGINS_KNOWN_FOR_S:
            with self._database.reading() as session:
                rows = session.query(Widget.origins).all()
            self._origins = frozenset(origin for (origins,) in rows for origin in origins)
            self._read_at = time.monotonic()
        return origin in self._origins
