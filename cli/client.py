"""Speaks to one Moat server: JSON calls, answers as they are written, and files straight from the disk."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any

import httpx

from cli.address import Address
from cli.tls import trusting
from moat.errors import MoatError

JsonObject = dict[str, Any]

_TIMEOUT = httpx.Timeout(60, connect=5)
_UPLOAD_TIMEOUT = httpx.Timeout(600, connect=5)
_USUAL_WAIT_S, _LONGEST_WAIT_S = 30.0, 600.0
_START = "Start it with 'moat up', or name another server with --server or MOAT_SERVER."
_NO_KEY = "Give a key with --key or MOAT_KEY; an admin makes one with 'moat key create'."


class CliError(MoatError):
    """What a server answered instead of a result, or what kept a call from reaching one."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        hint: str = "",
        body: JsonObject | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail, hint)
        self.problem_status = status
        self.problem_title = title
        self.body = body or {}
        self.retry_after_s = retry_after_s


class Client:
    """Calls /v1 paths; every error is a CliError. The address is looked up at the first call."""

    def __init__(self, find: Callable[[], Address], transport: httpx.BaseTransport | None = None) -> None:
        self._find = find
        self._transport = transport

    @cached_property
    def address(self) -> Address:
        return self._find()

    @cached_property
    def _http(self) -> httpx.Client:
        key = self.address.key
        return httpx.Client(
            base_url=self.address.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=_TIMEOUT,
            verify=trusting(self.address.certificate) if self.address.certificate else True,
            trust_env=not self.address.is_loopback,  # a proxy cannot reach this machine's own addresses
            transport=self._transport,
        )

    def close(self) -> None:
        """Close the connections, if there were any."""
        if "_http" in self.__dict__:
            self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> JsonObject:
        return _object(self._call("GET", path, params=params))

    def post(self, path: str, json: Mapping[str, Any]) -> JsonObject:
        return _object(self._call("POST", path, json=json))

    def put(self, path: str, json: Mapping[str, Any]) -> JsonObject:
        return _object(self._call("PUT", path, json=json))

    def patch(self, path: str, json: Mapping[str, Any]) -> JsonObject:
        return _object(self._call("PATCH", path, json=json))

    def delete(self, path: str) -> JsonObject:
        return _object(self._call("DELETE", path))

    def text(self, path: str, params: Mapping[str, Any]) -> str:
        """Get what is not JSON."""
        return self._call("GET", path, params=params).text

    def health(self) -> JsonObject:
        """Ask whether every part answers; that one does not is an answer, not an error."""
        with self._open("GET", "/health/ready") as response:
            response.read()
        if response.status_code == 503 and "ready" in (body := _object(response)):
            return body
        return _object(self._checked(response))

    def upload(self, path: str, files: Sequence[tuple[str, IO[bytes]]], fields: Mapping[str, Any]) -> JsonObject:
        """Send open files in one multipart call; they are read while they are sent."""
        parts = [("files", file) for file in files]
        return _object(self._call("POST", path, files=parts, data=fields, timeout=_UPLOAD_TIMEOUT))

    def events(self, path: str, json: Mapping[str, Any]) -> Iterator[tuple[str, JsonObject]]:
        """Stream a call's server-sent events as (name, data)."""
        with self._open("POST", path, json=json) as response:
            if response.is_error:
                response.read()
            self._checked(response)
            yield from _events(response.iter_bytes())

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._open(method, path, **options) as response:
            response.read()
        return self._checked(response)

    @contextmanager
    def _open(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(method, path, **options) as response:
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            detail = f"Nothing answers at {self.address.url} ({error or type(error).__name__})."
            raise CliError(503, "Moat cannot be reached", detail, _START) from error
        except httpx.RequestError as error:
            detail = f"{method} {path} at {self.address.url} broke off: {error or type(error).__name__}."
            raise CliError(
                503, "The connection broke", detail, "Try again; 'moat status' says what answers."
            ) from error

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        body = _json(response)
        stated = body if isinstance(body, dict) else {}
        call = f"{response.request.method} {response.request.url.path}"
        title = str(stated.get("title") or f"{response.status_code} {response.reason_phrase}")
        detail = str(stated.get("detail") or f"{call} was answered by something that is not Moat.")
        hint = str(stated.get("hint") or "")
        if response.status_code == 401 and not self.address.key:
            hint = _NO_KEY
        # A redirect is no result either: the address is not Moat's own.
        status = response.status_code if response.is_error else 422
        after = _seconds(response.headers.get("retry-after", "")) if status == 429 else None
        raise CliError(status, title, detail, hint or "Check the address of the server.", stated, after)


def _seconds(header: str) -> float:
    """Read Retry-After; a proxy may state a date instead of seconds, or nothing."""
    return min(max(float(header), 1.0), _LONGEST_WAIT_S) if header.isdecimal() else _USUAL_WAIT_S


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _object(response: httpx.Response) -> JsonObject:
    if response.status_code == 204:
        return {}
    body = _json(response)
    if not isinstance(body, dict):
        detail = f"{response.request.url} answered something that is not a JSON object."
        raise CliError(422, "This is not a Moat server", detail, "Check the address of the server.")
    return body


def _events(pieces: Iterable[bytes]) -> Iterator[tuple[str, JsonObject]]:
    name, data = "message", ""
    for line in _lines(pieces):
        if not line and data:
            yield name, json.loads(data)
            name, data = "message", ""
        elif line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data += line.removeprefix("data:").strip()


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Split at newlines alone: httpx also splits at the separators of Unicode, which may stand in a document."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8")
