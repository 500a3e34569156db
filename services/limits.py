"""Bounds that hold before any route runs: the size of a body, and which pages may call."""

import logging

from anyio import to_thread
from sqlalchemy import select
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moat.database import Database
from moat.errors import Forbidden, MoatError, TooLarge
from moat.tables import Widget
from services.problems import of_error, respond

log = logging.getLogger(__name__)

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
                # FastAPI turns any other exception of a body into "400, could not be parsed".
                raise HTTPException(413, headers={"Connection": "close"}) from self._error()
            return message

        await self._app(scope, counted, send)

    def _error(self) -> TooLarge:
        return TooLarge(f"The body is over {self._limit:,} bytes.", "Send less, or upload it as a document.")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(of_error(self._error()), {"Connection": "close"})(scope, receive, send)


class WidgetCors:
    """Lets the pages that a widget is registered for call what a widget calls, and no others."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database
        # Only asked for origins that were found registered, so it may answer any.
        self._allowing = CORSMiddleware(
            app,
            allow_origin_regex=".*",
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "idempotency-key"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_WIDGET_PATHS):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and await to_thread.run_sync(self._is_registered, origin):
            await self._allowing(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await respond(of_error(_not_registered(origin or "")))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_registered(self, origin: str) -> bool:
        try:
            with self._database.reading() as session:
                return any(origin in origins for origins in session.scalars(select(Widget.origins)))
        except MoatError as error:  # the route behind answers that the catalog is away
            log.warning("a page's origin could not be checked: %s", error.detail)
            return False


def _not_registered(origin: str) -> Forbidden:
    return Forbidden(
        f"No widget may be shown on {origin[:200]!r}.", "An admin adds the page's origin with 'moat widget create'."
    )
