"""Failed attempts in our own words: which error the caller gets, whether to try again, whether it may be billed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import httpx2

from moat.errors import (
    ProviderBroken,
    ProviderError,
    ProviderKeyRefused,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from moat.llm.usage import UnreadableUsage, read_usage
from moat.llm.wires.base import Target
from moat.records import Usage
from moat.telemetry import MASK

_RETRYABLE = frozenset({408, 409, 425, 429})
# Besides an SDK's own errors: what it lets through from its transport, and what it raises on an answer that is not
# what it expects.
TRANSPORT_ERRORS: tuple[type[Exception], ...] = (
    httpx.HTTPError,
    httpx2.HTTPError,
    OSError,
    ValueError,
    AssertionError,
    TypeError,
    AttributeError,
    LookupError,
)
_NEVER_SENT = ("ConnectTimeout", "PoolTimeout", "ConnectError", "ConnectTimeoutError", "EndpointConnectionError")


class AttemptFailed(Exception):
    """One attempt failed: the error for the caller, whether another may help, and whether it may be billed."""

    def __init__(
        self, error: ProviderError, *, retryable: bool, billed: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retryable = retryable
        self.billed = billed
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: its status, what it says, its headers, and whether a part of the answer had come."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False  # it came in the middle of an answer


@contextmanager
def translated(
    target: Target, errors: tuple[type[Exception], ...], refusal: Callable[[Exception], Refusal | None]
) -> Iterator[None]:
    """Turn what an SDK and its transport raise into AttemptFailed."""
    try:
        yield
    except (*errors, *TRANSPORT_ERRORS) as error:
        raise _failure(target, error, refusal(error)) from error


def usage_of(raw: Mapping[str, Any]) -> Usage | None:
    """Read a reported usage; None, to be counted here, when it is not what the provider documents."""
    try:
        return read_usage(raw)
    except UnreadableUsage:
        return None


def _failure(target: Target, error: Exception, refusal: Refusal | None) -> AttemptFailed:
    provider = target.provider
    if refusal is not None:
        return _refused(target, refusal)
    chain = list(_causes(error))
    never_sent = any(type(cause).__name__ in _NEVER_SENT for cause in chain)
    if any("Timeout" in type(cause).__name__ for cause in chain):
        timeout = ProviderTimeout(f"{provider} did not answer in time.")
        return AttemptFailed(timeout, retryable=never_sent, billed=not never_sent)
    if never_sent or any("ConnectionError" in type(cause).__name__ for cause in chain):
        lost = ProviderUnreachable(f"{provider} cannot be reached or closed the connection.")
        return AttemptFailed(lost, retryable=True, billed=not never_sent)
    said = _without(target, str(error))[:200]
    broken = ProviderBroken(f"{provider} broke off or sent something that cannot be read: {said}")
    return AttemptFailed(broken, retryable=True, billed=True)


def _refused(target: Target, refusal: Refusal) -> AttemptFailed:
    provider, status = target.provider, refusal.status
    said = f"{provider} answered with status {status}: {_without(target, refusal.message)[:200]}"
    retryable = status in _RETRYABLE or status >= 500
    error: ProviderError
    if status in (401, 403):  # the provider's message may repeat a part of the key
        error = ProviderKeyRefused(f"{provider} refused the key (status {status}).", "Set the provider's api_key.")
    elif status in (429, 503, 529):
        error = ProviderOverloaded(said)
    else:
        error = ProviderError(said) if retryable else ProviderRefused(said)
    return AttemptFailed(error, retryable=retryable, billed=refusal.billed, retry_after_s=_retry_after(refusal.headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait; it may name milliseconds, seconds or a date."""
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        if "retry-after-ms" in lower:
            return max(0.0, float(lower["retry-after-ms"]) / 1000)
        return max(0.0, float(lower["retry-after"]))
    except (KeyError, ValueError):
        pass
    try:
        return max(0.0, (parsedate_to_datetime(lower["retry-after"]) - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _without(target: Target, message: str) -> str:
    """Take secrets out of what a server says: some repeat what they were sent."""
    for secret in target.secrets:
        message = message.replace(secret, MASK)
    return message
