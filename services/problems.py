"""RFC 9457 problem details for every error: what happened, and what to do next."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from moat.errors import MoatError, Overloaded, RateLimited, Unauthenticated
from services.headers import API_HEADERS
from services.sign_ins import note_failed_sign_in

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
SHOWN = 10
_HINTS = {
    400: "Send one JSON object in UTF-8.",
    404: "See /docs for the routes there are.",
    405: "See /docs for the routes there are.",
}


def problem(status: int, code: str, title: str, detail: str, hint: str = "") -> dict[str, Any]:
    """Build the body of an error."""
    return {"type": f"urn:moat:{code}", "title": title, "status": status, "detail": detail, "hint": hint}


def of_error(error: MoatError) -> dict[str, Any]:
    """Build the body of one of Moat's own errors, with what callers may be told of it."""
    return problem(error.status, error.code(), error.title, error.public, error.hint) | error.members()


def respond(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Answer with a problem."""
    return JSONResponse(body, body["status"], headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have the application answer every error as a problem."""
    app.add_exception_handler(MoatError, _moat_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)


async def _moat_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MoatError)  # noqa: S101 (the handler is registered for it)
    if isinstance(error, Unauthenticated):
        await note_failed_sign_in(request)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    if isinstance(error, Overloaded | RateLimited):
        headers = {"Retry-After": str(error.retry_after_s)}
    if error.status >= 500:
        log.warning("%s: %s", error.code(), error.detail)
    return respond(of_error(error), headers)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = error.errors()
    not_json = any(item["type"] == "json_invalid" for item in errors)
    parts = [f"{_place(item)}: {item['msg'][:200]}" for item in errors[:SHOWN]]
    if len(errors) > SHOWN:
        parts.append(f"and {len(errors) - SHOWN} more")
    status, title = (400, "The body is not valid JSON") if not_json else (422, "The request is not valid")
    hint = "Correct the JSON and send it again." if not_json else "See /docs for the fields and their bounds."
    return respond(problem(status, "invalid_request", title, "; ".join(parts), hint))


def _place(item: Mapping[str, Any]) -> str:
    return ".".join(str(p)[:100] for p in item["loc"] if p != "body") or "body"


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if isinstance(error.__cause__, MoatError):
        return respond(of_error(error.__cause__), headers)
    detail = f"{request.method} {request.url.path[:200]}: {error.detail}"
    hint = _HINTS.get(error.status_code, "")
    return respond(problem(error.status_code, "http_error", str(error.detail), detail, hint), headers)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log.error("an unforeseen error", exc_info=error, extra={"path": request.url.path})
    hint = "Try again; if it stays, look into the API's log."
    body = problem(500, "internal", "Something went wrong inside Moat", "An unforeseen error.", hint)
    return respond(body, API_HEADERS)  # this handler stands outside of every middleware
