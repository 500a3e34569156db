"""The headers that keep an answer from being guessed at, framed, or run as anything but what it is."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What is no page loads nothing, runs nothing and is shown in no frame; pages and files bring their own policy.
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Documents and answers are one reader's: no cache on the way keeps what does not say for itself that it may be kept.
_PUBLIC = ("/static/", "/static-offline-docs/")


class SecurityHeaders:
    """Adds what an answer does not set for itself."""

    def __init__(self, app: ASGIApp, hsts_s: int) -> None:
        self._app = app
        self._hsts_s = hsts_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._wanted(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)

    def _wanted(self, scope: Scope) -> dict[str, str]:
        wanted = dict(API_HEADERS)
        if not scope["path"].startswith(_PUBLIC):
            wanted["Cache-Control"] = "no-store"
        if scope["scheme"] == "https" and self._hsts_s:  # by now also what a trusted proxy said
            wanted["Strict-Transport-Security"] = f"max-age={self._hsts_s}"
        return wanted
