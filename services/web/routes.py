"""Serve the page, the widget and their static files from memory, each with an ETag and its security headers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from moat.errors import NotFound

CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
# Nothing inline and nothing from elsewhere; Trusted Types make the browser refuse innerHTML as well.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
# The widget's modules are public and are imported by pages of other origins.
ASSET_HEADERS = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it goes over the wire."""

    body: bytes
    content_type: str
    etag: str


def router() -> APIRouter:
    """Build the routes for `/`, `/widget.js` and `/static/...`; the files are read once, here."""
    static = load(files(__package__).joinpath("static"))
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(request: Request) -> Response:
        return respond(request, static["index.html"], PAGE_HEADERS)

    @routes.api_route("/widget.js", methods=["GET", "HEAD"])
    def widget(request: Request) -> Response:
        return respond(request, static["widget.js"], ASSET_HEADERS)

    @routes.api_route("/static/{path:path}", methods=["GET", "HEAD"])
    def asset(request: Request, path: str) -> Response:
        # Only names read at start are known, so no path can leave the folder; the page is served at `/` alone.
        if path not in static or path.endswith(".html"):
            raise NotFound(f"There is no file '{path}' here.", "Check the address; the page itself is at '/'.")
        return respond(request, static[path], ASSET_HEADERS)

    return routes


def load(folder: Traversable, prefix: str = "") -> dict[str, StaticFile]:
    """Read every servable file below `folder`, by its path relative to it."""
    found: dict[str, StaticFile] = {}
    for entry in folder.iterdir():
        extension = entry.name.rpartition(".")[2]
        if entry.is_dir():
            found |= load(entry, f"{prefix}{entry.name}/")
        elif extension in CONTENT_TYPES:
            body = entry.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
            found[f"{prefix}{entry.name}"] = StaticFile(body, CONTENT_TYPES[extension], etag)
    return found


def respond(request: Request, file: StaticFile, extra: Mapping[str, str]) -> Response:
    """Answer with the file, or with 304 when the browser already has this very version."""
    headers = {
        # Revalidate always: the modules must fit each other after an upgrade, and a 304 costs next to nothing.
        "Cache-Control": "no-cache",
        "ETag": file.etag,
        "X-Content-Type-Options": "nosniff",
        **extra,
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.content_type, headers=headers)
