"""The issuer's public keys: found, kept for a while, and fetched anew for one not known, but never often."""

import io
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from moat.errors import FetchFailed, FetchRefused, MoatError, Unavailable
from moat.fetch import Fetcher
from moat.identity_settings import OidcSettings, check_address
from moat.settings import FetchSettings

log = logging.getLogger(__name__)

_DISCOVERY = "/.well-known/openid-configuration"
_MAX_BYTES = 1_000_000
_MAX_KEYS = 100
_AFTER_FAILURE_S = 5.0
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
_TYPES = {"R": "RSA", "P": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One public key, ready to check each signature it is good for."""

    kid: str | None
    checks: Mapping[str, PyJWK]


@dataclass(frozen=True, slots=True)
class _Held:
    keys: tuple[IssuerKey, ...]
    fetched_at: float


class IssuerKeys:
    """Keeps one issuer's keys; shared by threads, of which one fetches while the others go on with what there is."""

    def __init__(
        self, settings: OidcSettings, fetch: FetchSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._next_try_at = clock()
        self._failure = ""

    def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Give the key that this signature is checked with, if the issuer has it.

        Raises Unavailable while the issuer does not answer and its keys of before are too old.
        """
        held = self._held
        if held is None or self._age(held) > self._settings.refresh_s:
            held = self._renewed(held, wait=held is None)
        found = _pick(self._usable(held), kid, algorithm)
        if found is None:
            found = _pick(self._usable(self._renewed(held, wait=True)), kid, algorithm)
        return found

    def fetch(self) -> tuple[IssuerKey, ...]:
        """Ask the issuer for its keys, or raise FetchRefused or FetchFailed."""
        url = self._settings.jwks_url or self._discover()
        listed = self._get(url).get("keys")
        if not isinstance(listed, list):
            raise FetchFailed(f"{url} holds no set of keys.", "Check MOAT_OIDC__JWKS_URL.")
        keys = tuple(filter(None, (self._read(entry) for entry in listed[:_MAX_KEYS])))
        if not keys:
            wanted = ", ".join(self._settings.algorithms)
            raise FetchFailed(f"{url} holds no key for {wanted}.", "Set MOAT_OIDC__ALGORITHMS to what the issuer uses.")
        return keys

    def _renewed(self, seen: _Held | None, *, wait: bool) -> _Held | None:
        """Fetch again, unless somebody does or has just done so; gives what is held then."""
        if self._lock.acquire(blocking=wait):
            try:
                if self._held is seen and self._clock() >= self._next_try_at:
                    self._try()
            finally:
                self._lock.release()
        return self._held

    def _try(self) -> None:
        try:
            self._held = _Held(self.fetch(), self._clock())
            self._next_try_at = self._clock() + self._settings.retry_s
        except MoatError as error:
            log.warning("the issuer's keys cannot be fetched: %s", error.detail)
            self._failure = error.detail
            self._next_try_at = self._clock() + min(_AFTER_FAILURE_S, self._settings.retry_s)

    def _usable(self, held: _Held | None) -> tuple[IssuerKey, ...]:
        if held is None or self._age(held) > self._settings.keep_s:
            raise Unavailable(
                "The issuer's keys cannot be fetched.", "Try again; use a key meanwhile.", inside=self._failure
            )
        return held.keys

    def _age(self, held: _Held) -> float:
        return self._clock() - held.fetched_at

    def _discover(self) -> str:
        url = self._settings.issuer.rstrip("/") + _DISCOVERY
        told = self._get(url)
        if told.get("issuer") != self._settings.issuer:
            detail = f"{url} speaks for {str(told.get('issuer'))[:200]!r}, not for {self._settings.issuer!r}."
            raise FetchRefused(detail, "Write MOAT_OIDC__ISSUER exactly so, or set MOAT_OIDC__JWKS_URL.")
        try:
            return check_address(str(told["jwks_uri"]))
        except (KeyError, ValueError) as error:
            raise FetchRefused(f"{url} names no safe jwks_uri: {error}", "Set MOAT_OIDC__JWKS_URL.") from error

    def _get(self, url: str) -> dict[str, Any]:
        into = io.BytesIO()
        self._fetcher().fetch(url, into)
        try:
            body = json.loads(into.getvalue())
        except (ValueError, RecursionError) as error:
            raise FetchFailed(f"{url} is not JSON.", "Check MOAT_OIDC__ISSUER.") from error
        if not isinstance(body, dict):
            raise FetchFailed(f"{url} is not a JSON object.", "Check MOAT_OIDC__ISSUER.")
        return body

    def _fetcher(self) -> Fetcher:
        """Make a fetcher for which the operator's own addresses may be anywhere, and those they lead to may not."""
        declared = tuple(_place(url) for url in (self._settings.issuer, self._settings.jwks_url) if url)
        limits = {"max_bytes": _MAX_BYTES, "timeout_s": self._settings.timeout_s, "max_redirects": 0}
        allowed = {"allow_hosts": (*self._fetch.allow_hosts, *declared)}
        transport = None
        if self._settings.ca_file is not None:
            try:
                trusted = ssl.create_default_context(cafile=self._settings.ca_file)
            except OSError as error:
                raise FetchFailed(f"{self._settings.ca_file}: {error}", "Correct MOAT_OIDC__CA_FILE.") from error
            transport = httpx.HTTPTransport(verify=trusted)
        return Fetcher(self._fetch.model_copy(update=limits | allowed), transport=transport)

    def _read(self, entry: object) -> IssuerKey | None:
        """Read one key of the set; of one that cannot be used, as of a kind not known here, nothing."""
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            return None
        if "verify" not in str(entry.get("key_ops", "verify")):
            return None
        checks: dict[str, PyJWK] = {}
        for algorithm in self._settings.algorithms:
            if _is_for(entry, algorithm):
                try:
                    key = PyJWK(entry, algorithm)
                    weakness = key.Algorithm.check_key_length(key.key)
                except PyJWTError as error:
                    weakness = str(type(error).__name__)
                if weakness:
                    log.warning("a key of the issuer is left out: %s", weakness)
                else:
                    checks[algorithm] = key
        kid = entry.get("kid")
        return IssuerKey(kid if isinstance(kid, str) else None, checks) if checks else None


def _is_for(entry: dict[str, Any], algorithm: str) -> bool:
    kind = next(kty for start, kty in _TYPES.items() if algorithm.startswith(start))
    curve = _CURVES.get(algorithm)
    return entry.get("alg", algorithm) == algorithm and entry.get("kty") == kind and entry.get("crv") == curve


def _pick(keys: tuple[IssuerKey, ...], kid: str | None, algorithm: str) -> PyJWK | None:
    """Choose by the token's kid; without one, only where there is no choice."""
    fitting = [key.checks[algorithm] for key in keys if algorithm in key.checks and kid in (None, key.kid)]
    return fitting[0] if len(fitting) == 1 else None


def _place(url: str) -> str:
    parsed = httpx.URL(url)
    host = parsed.raw_host.decode("ascii").strip("[]").rstrip(".").lower()
    return f"{host}:{parsed.port or {'http': 80, 'https': 443}[parsed.scheme]}"
