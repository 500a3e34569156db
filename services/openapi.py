"""The description at /openapi.json: to what FastAPI derives, it adds every error that a call may get, in one place."""

from typing import Any

from fastapi import FastAPI

from services.problems import MEDIA_TYPE

_SHARED = {
    400: "The request could not be read.",
    401: "No valid key or token came with it.",
    402: "A budget has no room for it; left_usd and renews_at say what is left and when it renews.",
    403: "The key may not do this, or the call came without TLS.",
    404: "It does not exist, or not for this reader.",
    408: "The request came too slowly.",
    409: "It conflicts with the present state.",
    413: "Too large.",
    415: "No reader for this kind of file.",
    422: "The request is not valid.",
    429: "Too many calls, or too much waiting work; Retry-After says when to come again.",
    431: "Address and headers are too large.",
    502: "The model's provider failed.",
    503: "A part of Moat does not answer.",
    504: "The model's provider did not answer in time.",
    507: "The disk is full; nothing was kept.",
}
_UPLOAD = ("post", "/v1/corpora/{corpus}/documents")
# Beside the rules of `_statuses`: what one call alone may get.
_OWN = {
    _UPLOAD: (400, 408, 413, 415),
    ("post", "/v1/answers"): (402, 502, 504),
    ("get", "/metrics"): (401,),
}
_PUBLIC = {("post", "/v1/widget-sessions")}
_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457: what happened, and what to do next.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "hint"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "left_usd": {"type": "string", "description": "With 402: what the budget has left."},
        "renews_at": {"type": ["string", "null"], "description": "With 402: when it renews; null: never."},
    },
}
_KEY = {"type": "http", "scheme": "bearer", "description": "A key from 'moat key create', or a widget session's token."}


def install(app: FastAPI) -> None:
    """Have the application describe its errors; call it when every route is there."""
    derive = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(derive())
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    shapes = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of errors, which Moat does not use
        shapes.pop(name, None)
    shapes["Problem"] = _PROBLEM
    components["securitySchemes"] = {"key": _KEY}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            needs_key = path.startswith("/v1/") and (method, path) not in _PUBLIC
            if needs_key:
                operation["security"] = [{"key": []}]
            for status in _statuses(method, path, operation, needs_key):
                own = operation["responses"].get(str(status), {})
                if status == 422 or not own.get("content"):
                    operation["responses"][str(status)] = _response(status)
    return schema


def _statuses(method: str, path: str, operation: dict[str, Any], needs_key: bool) -> set[int]:
    found = {403, 429, 431, 503, *_OWN.get((method, path), ())}
    if needs_key:
        found.add(401)
    if operation.get("parameters"):
        found |= {404, 422} if "{" in path else {422}
    if "requestBody" in operation:  # which may name a corpus that is not there
        found |= {400, 404, 408, 413, 422}
    if method != "get":
        found |= {409, 507}
    return found


def _response(status: int) -> dict[str, Any]:
    return {
        "description": _SHARED[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
