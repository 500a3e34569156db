"""How often one key, one user and one address may call, counted where all API processes see it."""

import ipaddress
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

from anyio import CapacityLimiter, sleep, to_thread
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from moat.access import digest
from moat.api_settings import RatesSettings
from moat.errors import RateLimited
from services.limits import WIDGET_PATHS
from services.problems import of_error, respond

log = logging.getLogger(__name__)

_PREFIX = "moat-rates"
_PATIENCE_S = 0.5
_AWAY_FOR_S = 5.0
_THREADS = 16
_NAMES_AT_MOST = 10_000
# Supervisors and balancers ask these of every process, all from one address.
_UNCOUNTED = ("/health/live",)


class Rates:
    """Takes calls into account; what is over a limit in any window of its length is refused, and no other.

    The counts are in the broker. While it is away, each process counts for itself: the limits stay, nobody is shut out.
    """

    def __init__(self, settings: RatesSettings, broker_url: str) -> None:
        self._limits = {
            kind: RateLimitItemPerSecond(most, settings.window_s)
            for kind, most in (
                ("key", settings.per_key),
                ("user", settings.per_user),
                ("address", settings.per_address),
            )
            if most
        }
        self._window_s = settings.window_s
        self.refusal_s = settings.refusal_s
        self.at_once = settings.at_once
        self._alone = MovingWindowRateLimiter(MemoryStorage())
        shared = _storage(broker_url) if self._limits else None
        self._shared = None if shared is None else MovingWindowRateLimiter(shared)
        self._away_until = 0.0
        self._telling = threading.Lock()
        self._full_until: dict[tuple[str, str], float] = {}

    @property
    def counts(self) -> bool:
        """Tell whether there is any limit."""
        return bool(self._limits or self.at_once)

    def take(self, kind: str, name: str) -> None:
        """Count one call, or raise RateLimited with the seconds until the next one is taken."""
        limit = self._limits.get(kind)
        if limit is None:
            return
        self.check(kind, name)
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return self._hit(self._shared, limit, kind, name)
            except StorageError as error:
                self._put_off(error)
        self._hit(self._alone, limit, kind, name)

    def check(self, kind: str, name: str) -> None:
        """Raise RateLimited where it is known, without asking anybody, that no call is taken yet."""
        until = self._full_until.get((kind, name), 0.0)
        if time.monotonic() < until:
            raise self._refused(kind, until)

    def _hit(self, limiter: MovingWindowRateLimiter, limit: RateLimitItemPerSecond, kind: str, name: str) -> None:
        if limiter.hit(limit, kind, name):
            return
        wait_s = limiter.get_window_stats(limit, kind, name).reset_time - time.time()
        until = time.monotonic() + min(self._window_s, wait_s)
        if len(self._full_until) >= _NAMES_AT_MOST:
            self._full_until = {}  # whoever calls on is asked for again
        self._full_until[kind, name] = until
        raise self._refused(kind, until)

    def _refused(self, kind: str, until: float) -> RateLimited:
        wait_s = max(1, math.ceil(until - time.monotonic()))
        return RateLimited(
            f"More than {self._limits[kind].amount:,} calls in {self._window_s} s with one {kind}.",
            f"Call again in {wait_s} s; an operator sets the limit with MOAT_RATES__PER_{kind.upper()}.",
            wait_s,
        )

    def _put_off(self, error: Exception) -> None:
        with self._telling:
            if time.monotonic() >= self._away_until:
                log.warning("the broker does not count calls, so each process does: %s", error)
            self._away_until = time.monotonic() + _AWAY_FOR_S


def _storage(broker_url: str) -> RedisStorage | None:
    """Reach the broker, when it is a Redis or a Valkey; None for others."""
    url = urlsplit(broker_url)
    if url.scheme == "redis+socket":  # Celery's way to write a Unix socket
        database = parse_qs(url.query).get("virtual_host", ["0"])[0]
        broker_url = f"redis+unix://{url.netloc}{url.path}?{urlencode({'db': database})}"
    elif url.scheme not in ("redis", "rediss"):
        return None
    return RedisStorage(
        broker_url,
        key_prefix=_PREFIX,
        wrap_exceptions=True,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
    )


class RateLimit:
    """Refuses calls over the limit of their key or address before anything else is done for them."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates
        self._threads = CapacityLimiter(_THREADS)  # of its own: slow answers must not hold up the refusals
        self._calls: Counter[str] = Counter()  # under way in this process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._rates.counts or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
            return
        caller = _caller(scope)
        try:
            for kind, name in caller:
                self._rates.check(kind, name)
            await to_thread.run_sync(self._take, caller, limiter=self._threads)
            with self._under_way(*(caller or [("address", "")])[0]):
                await self._app(scope, receive, send)
        except RateLimited as error:
            await sleep(self._rates.refusal_s)
            headers = {"Retry-After": str(error.retry_after_s)}
            if scope["path"].startswith(WIDGET_PATHS):  # no origin was looked up, and a page should be able to say why
                headers["Access-Control-Allow-Origin"] = "*"
            await respond(of_error(error), headers)(scope, receive, send)

    def _take(self, caller: Sequence[tuple[str, str]]) -> None:
        for kind, name in caller:
            self._rates.take(kind, name)

    @contextmanager
    def _under_way(self, kind: str, name: str) -> Iterator[None]:
        """Count a call until its last byte is sent: who opens one stream after the other would else have them all."""
        if self._rates.at_once and self._calls[name] >= self._rates.at_once:
            raise RateLimited(
                f"More than {self._rates.at_once:,} calls at once with one {kind}.",
                "Wait for some of them; an operator sets the limit with MOAT_RATES__AT_ONCE.",
                1,
            )
        self._calls[name] += 1
        try:
            yield
        finally:
            self._calls[name] -= 1
            if not self._calls[name]:
                del self._calls[name]


def _caller(scope: Scope) -> list[tuple[str, str]]:
    """Name who calls: the key, and the address; the first is whom calls at once are counted for."""
    found = []
    secret = Headers(scope=scope).get("authorization", "").partition(" ")[2].strip()
    if secret:
        # By its hash: the key itself must not lie in the broker.
        found.append(("key", digest(secret).hex()[:32]))
    client = scope.get("client")
    if client is not None:
        found.append(("address", _network(client[0])))
    return found


def _network(host: str) -> str:
    """Name what one caller has: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:100]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
