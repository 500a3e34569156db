"""The one way to fetch from an address that somebody gave: checked, pinned, bounded, every redirect again."""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import httpx

from moat.addresses import Address, is_disguised, is_never_a_server, is_public
from moat.errors import FetchFailed, FetchRefused
from moat.settings import FetchSettings

Resolve = Callable[[str, int], Sequence[str]]

_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "moat", "Accept-Encoding": "identity"}
_ALLOW = "An operator allows hosts of the intranet by name with MOAT_FETCH__ALLOW_HOSTS."


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, and from where after redirects."""

    url: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class _Target:
    """A checked address of a request: the connection goes to one of these and nowhere else."""

    url: httpx.URL
    host: str
    addresses: tuple[Address, ...]


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Fetcher:
    """Fetches over http and https, and only from where it may."""

    def __init__(
        self,
        settings: FetchSettings,
        resolve: Resolve = system_resolve,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._transport = transport

    def fetch(self, url: str, into: IO[bytes]) -> Fetched:
        """Write what an address answers into `into`.

        Raises `FetchRefused` for an address that may not be fetched or an answer beyond the limits, and `FetchFailed`
        when it does not answer as it should.
        """
        deadline = time.monotonic() + self._settings.timeout_s
        target = self._checked(url)
        for _ in range(self._settings.max_redirects + 1):
            found = self._hop(target, into, deadline)
            if isinstance(found, Fetched):
                return found
            following = self._checked(found)
            if target.url.scheme == "https" and following.url.scheme == "http":
                raise FetchRefused(f"{url} leads from https to http.", "Give the address it should lead to.")
            target = following
        raise FetchRefused(f"{url} leads on more than {self._settings.max_redirects} times.", "Give the last address.")

    def post(self, url: str, body: dict[str, Any]) -> None:
        """Send JSON to an address; whatever it answers is not read, and it may not lead elsewhere.

        Raises as `fetch` does.
        """
        deadline = time.monotonic() + self._settings.timeout_s
        target = self._checked(url)
        with self._asking(target, deadline, "POST", json=body) as response:
            if not response.is_success:
                raise FetchFailed(f"{target.host} answered {response.status_code}.", "Check the address.")

    def _checked(self, url: str) -> _Target:
        """Say where a request may go, or raise FetchRefused; the name is resolved here and never again."""
        parsed = _parse(url)
        host = parsed.raw_host.decode("ascii").strip("[]").rstrip(".").lower()
        port = parsed.port or _PORTS[parsed.scheme]
        allowed = self._is_allowed(host, port)
        if _HOST.fullmatch(host) is None or is_disguised(host):
            raise FetchRefused(f"{host!r} is no host name or plain address.", "Write the address in its usual form.")
        if port not in _PORTS.values() and not allowed:
            raise FetchRefused(f"Port {port} of {host!r} is not one of the web's.", _ALLOW)
        addresses = self._addresses(host, port)
        for address in addresses:  # all of them: which one is used must not matter
            if is_never_a_server(address) or not (allowed or is_public(address)):
                raise FetchRefused(f"{host!r} is at {address}, which is not on the open internet.", _ALLOW)
        return _Target(parsed, host, addresses)

    def _is_allowed(self, host: str, port: int) -> bool:
        names = {name.lower() for name in self._settings.allow_hosts}
        return host in names or f"{host}:{port}" in names

    def _addresses(self, host: str, port: int) -> tuple[Address, ...]:
        try:
            return (ipaddress.ip_address(host),)
        except ValueError:
            pass
        try:
            found = tuple(ipaddress.ip_address(address) for address in self._resolve(host, port))
        except (OSError, UnicodeError, ValueError) as error:
            raise FetchFailed(f"{host!r} cannot be resolved: {error}", "Check the address.") from error
        if not found:
            raise FetchFailed(f"{host!r} has no address.", "Check the address.")
        return found

    def _hop(self, target: _Target, into: IO[bytes], deadline: float) -> Fetched | str:
        """Do one request; gives what was fetched, or where it leads."""
        with self._asking(target, deadline, "GET") as response:
            if response.status_code in _REDIRECTS and "location" in response.headers:
                return str(target.url.join(response.headers["location"]))
            return self._read(target, response, into, deadline)

    @contextmanager
    def _asking(self, target: _Target, deadline: float, method: str, **options: Any) -> Iterator[httpx.Response]:
        """Send one request to the checked address and no other, for no longer than until the deadline."""
        left = deadline - time.monotonic()
        with httpx.Client(
            transport=self._transport, timeout=max(0.1, left), trust_env=False, follow_redirects=False
        ) as client:
            # A server that dribbles its header would pass every timeout of a single read.
            guard = threading.Timer(max(0.1, left), client.close)
            guard.daemon = True
            guard.start()
            try:
                with client.stream(
                    method,
                    target.url.copy_with(host=str(target.addresses[0])),
                    headers={**_HEADERS, "Host": target.url.netloc.decode("ascii")},
                    extensions={"sni_hostname": target.host},
                    **options,
                ) as response:
                    yield response
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, RuntimeError, OSError) as error:
                if time.monotonic() >= deadline:
                    raise self._too_slow(target) from error
                raise FetchFailed(f"{target.url} did not answer: {error}", "Try again; check the address.") from error
            finally:
                guard.cancel()

    def _read(self, target: _Target, response: httpx.Response, into: IO[bytes], deadline: float) -> Fetched:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not response.is_success:
            raise FetchFailed(f"{target.url} answered {response.status_code}.", "Check the address.")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchRefused(f"{target.url} came compressed, which was not asked for.", "Download it yourself.")
        if media_type.startswith(("audio/", "video/", "font/")):
            raise FetchRefused(f"{target.url} is {media_type}.", "Give the address of a document.")
        size = 0
        for piece in response.iter_raw(65_536):
            size += len(piece)
            if size > self._settings.max_bytes:
                raise FetchRefused(
                    f"{target.url} is over {self._settings.max_bytes:,} bytes.", "Raise MOAT_FETCH__MAX_BYTES."
                )
            if time.monotonic() >= deadline:
                raise self._too_slow(target)
            into.write(piece)
        return Fetched(str(target.url), media_type, size)

    def _too_slow(self, target: _Target) -> FetchFailed:
        return FetchFailed(
            f"{target.url} took longer than {self._settings.timeout_s:g} seconds.", "Raise MOAT_FETCH__TIMEOUT_S."
        )


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise FetchRefused(f"{url[:200]!r} is no address: {error}", "Give a whole address, https://...") from error
    if parsed.scheme not in _PORTS:
        raise FetchRefused(f"{url[:200]!r} is not http or https.", "Give a whole address, https://...")
    if parsed.userinfo:
        raise FetchRefused("The address holds a user or password.", "Leave them out; Moat sends none.")
    return parsed
