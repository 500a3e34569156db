"""Bounds that hold before any route runs: the size and pace of a request, and which pages may call."""

import logging
from time import monotonic

from anyio import move_on_after, to_thread
from sqlalchemy import select
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moat.api_settings import ApiSettings
from moat.database import Database
from moat.errors import Forbidden, HeaderTooLarge, MoatError, TooLarge, TooSlow
from moat.tables import Widget
from services.problems import of_error, respond

log = logging.getLogger(__name__)

_CLOSE = {"Connection": "close"}
WIDGET_PATHS = ("/v1/widget-sessions", "/v1/answers")


class RequestLimit:
    """Refuses a header or a body over its limit, by its declared length or while it is read, or one that comes slowly.

    Uploads have limits of their own for their size.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._limit = settings.max_body_bytes
        self._header_limit = settings.max_header_bytes
        self._timeout_s = settings.body_timeout_s
        self._pace = settings.min_body_bytes_per_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The server bounds a header that comes in pieces, and lets one through that comes at once.
        if _header_bytes(scope) > self._header_limit:
            await respond(of_error(self._header_too_large()), _CLOSE)(scope, receive, send)
            return
        is_upload = scope["method"] == "POST" and scope["path"].endswith("/documents")
        limit = None if is_upload else self._limit
        declared = Headers(scope=scope).get("content-length", "0")
        if limit is not None and declared.isdigit() and int(declared) > limit:
            await respond(of_error(self._too_large()), _CLOSE)(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive, limit), send)

    def _bounded(self, receive: Receive, limit: int | None) -> Receive:
        began = monotonic()
        read, whole = 0, False

        async def bounded() -> Message:
            nonlocal read, whole
            if whole:  # from here on one waits for the client's leaving, which may take as long as its answer
                return await receive()
            with move_on_after(began + self._timeout_s + read / self._pace - monotonic()) as waiting:
                message = await receive()
            if waiting.cancelled_caught:
                raise HTTPException(408, headers=_CLOSE) from self._too_slow(read)
            read += len(message.get("body", b""))
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            if limit is not None and read > limit:
                # FastAPI turns any other exception of a body into "400, could not be parsed".
                raise HTTPException(413, headers=_CLOSE) from self._too_large()
            return message

        return bounded

    def _header_too_large(self) -> HeaderTooLarge:
        return HeaderTooLarge(
            f"Address and headers are over {self._header_limit:,} bytes.", "Send what is long in the body."
        )

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is over {self._limit:,} bytes.", "Send less, or upload it as a document.")

    def _too_slow(self, read: int) -> TooSlow:
        return TooSlow(
            f"Of the body, {read:,} bytes came in {self._timeout_s + read / self._pace:.0f} s.",
            f"Send it again, with more than {self._pace:,} bytes a second.",
        )


def _header_bytes(scope: Scope) -> int:
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    return fields + len(scope.get("raw_path") or b"") + len(scope["query_string"])


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
        if scope["type"] != "http" or not scope["path"].startswith(WIDGET_PATHS):
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
