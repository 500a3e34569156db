"""Serve the page, the widget and their static files from memory, each with an ETag and its security headers."""

import hashlib
from collections.abc import Mapping, Sequence
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
_PAGE_POLICY = (
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
)
_TRUSTED_TYPES = "require-trusted-types-for 'script'"
# The widget's modules are public and are imported by pages of other origins.
ASSET_HEADERS = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it goes over the wire."""

    body: bytes
    content_type: str
    etag: str


def router(frame_ancestors: Sequence[str] = ()) -> APIRouter:
    """Build the routes for `/`, `/docs`, `/widget.js` and `/static/...`; the files are read once, here."""
    static = load(files(__package__).joinpath("static"))
    page_headers = _page_headers((*_PAGE_POLICY, _TRUSTED_TYPES), frame_ancestors)
    # Swagger UI writes its markup itself, so Trusted Types would leave the reference empty.
    docs_headers = _page_headers(_PAGE_POLICY, ())
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(request: Request) -> Response:
        return respond(request, static["index.html"], page_headers)

    @routes.api_route("/docs", methods=["GET", "HEAD"])
    def docs(request: Request) -> Response:
        return respond(request, static["docs.html"], docs_headers)

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


def _page_headers(policy: Sequence[str], frame_ancestors: Sequence[str]) -> dict[str, str]:
    framed_by = " ".join(frame_ancestors) or "'none'"
    headers = {"Content-Security-Policy": "; ".join((*policy, f"frame-ancestors {framed_by}"))}
    # It knows no origins: beside a list of them it would only contradict the policy.
    return headers if frame_ancestors else {**headers, "X-Frame-Options": "DENY"}


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
        **extra,
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.content_type, headers=headers)
