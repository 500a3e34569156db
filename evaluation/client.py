"""The small part of an HTTP client that measuring needs, and one over httpx."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from moat.errors import Forbidden, InvalidRequest, MoatError, NotFound, Unauthenticated, Unavailable

JsonObject = dict[str, Any]
PAGE = 500
_BY_STATUS: dict[int, type[MoatError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound}


class Client(Protocol):
    """Speaks to one Moat server: paths start with /v1, answers are JSON objects, errors are MoatErrors."""

    def post(self, path: str, json: Mapping[str, Any]) -> JsonObject: ...

    def get(self, path: str) -> JsonObject: ...


def items(client: Client, path: str, **query: str | int) -> Iterator[JsonObject]:
    """Go through a list of the API to its end, page by page."""
    cursor: str | None = None
    while True:
        asked = urlencode({**query, "limit": PAGE} | ({"cursor": cursor} if cursor else {}))
        page = client.get(f"{path}?{asked}")
        yield from page["items"]
        cursor = page.get("next_cursor")
        if not cursor:
            return


class HttpClient:
    """A Client over httpx; close the httpx client where it was made."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def post(self, path: str, json: Mapping[str, Any]) -> JsonObject:
        return self._call("POST", path, json)

    def get(self, path: str) -> JsonObject:
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, json: Mapping[str, Any] | None) -> JsonObject:
        try:
            response = self._http.request(method, path, json=json)
        except httpx.TransportError as error:
            raise Unavailable(
                f"{method} {path} at {self._http.base_url} got no answer: {type(error).__name__}.",
                "Check the address, and that 'moat up' runs there.",
            ) from error
        if response.is_error:
            raise _problem(response, f"{method} {path}")
        return _object(response, f"{method} {path}")


def _problem(response: httpx.Response, call: str) -> MoatError:
    problem: object = None
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = response.json()
    stated = problem if isinstance(problem, dict) else {}
    kind = _BY_STATUS.get(response.status_code, Unavailable if response.is_server_error else InvalidRequest)
    detail = str(stated.get("detail") or stated.get("title") or response.reason_phrase)
    return kind(f"{call}: {response.status_code}, {detail}", str(stated.get("hint") or ""))


def _object(response: httpx.Response, call: str) -> JsonObject:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest(f"{call} answered something that is not a JSON object.", "Is this address a Moat server?")
    return body
