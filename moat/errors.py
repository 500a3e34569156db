"""Every error that a caller can act on: the fact, the next step, and whether trying again can help."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar


class MoatError(Exception):
    """Base of every error a caller can act on; `detail` states the fact and `hint` the next step.

    `inside` is what of it only operators may read, since it names hosts, folders or users: `detail`, which is logged,
    ends with it, and `public` is what callers are told.
    """

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    title: ClassVar[str] = "Something went wrong inside Moat"
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str, hint: str = "", *, inside: object = "") -> None:
        self.public = detail
        self.detail = f"{detail.removesuffix('.')}: {inside}" if str(inside) else detail
        super().__init__(self.detail)
        self.hint = hint or self.default_hint

    def members(self) -> dict[str, str | None]:
        """Give what machines want to know beside the text."""
        return {}

    @classmethod
    def code(cls) -> str:
        """Name the error for machines, as `snake_case`."""
        name = cls.__name__
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


class InvalidRequest(MoatError):
    """The request cannot be understood or breaks a bound."""

    status = 422
    title = "The request is not valid"


class NotConvertible(InvalidRequest):
    """OpenVINO cannot run this embedder here."""

    title = "The embedder cannot be run in this form"


class MalformedRequest(InvalidRequest):
    """The request breaks its own wire format, or ended early."""

    status = 400
    title = "The request could not be read"


class Unauthenticated(MoatError):
    """No valid key or token came with the call."""

    status = 401
    title = "A valid key is needed"
    default_hint = "Send 'Authorization: Bearer <key>'; an admin makes keys with 'moat key create'."


class BudgetExceeded(MoatError):
    """A budget has no room for this call; `passing` says that calls under way hold what it needs."""

    status = 402
    title = "The budget does not allow this"

    def __init__(
        self,
        detail: str,
        *,
        left_usd: Decimal | None = None,
        renews_at: datetime | None = None,
        cheaper_model: str | None = None,
        passing: bool = False,
    ) -> None:
        when = f"It renews on {renews_at:%Y-%m-%d at %H:%M} UTC." if renews_at else ""
        what = "Ask again in a moment." if passing else "An admin changes budgets with 'moat budget set'."
        super().__init__(detail, f"{when} {what}".strip())
        self.passing = passing
        self.left_usd = left_usd
        self.renews_at = renews_at
        self.cheaper_model = cheaper_model

    def members(self) -> dict[str, str | None]:
        if self.left_usd is None:
            return {}
        left = format(self.left_usd.normalize(), "f") if self.left_usd else "0"
        return {"left_usd": left, "renews_at": self.renews_at.isoformat() if self.renews_at else None}


class CallTooDear(MoatError):
    """The call can cost more than its asker allows; it was not made."""

    status = 402
    title = "This can cost more than you allow"


class Forbidden(MoatError):
    """The key is valid but may not do this."""

    status = 403
    title = "This key may not do that"
    default_hint = "Use a key with the scope named above; an admin makes keys with 'moat key create'."


class InsecureTransport(MoatError):
    """A key would cross, or has crossed, a network in the clear."""

    status = 403
    title = "Moat is called over TLS from other machines"


class NotFound(MoatError):
    """It does not exist, or not for this reader: nobody can tell which."""

    status = 404
    title = "Not found"


class NoConversation(NotFound):
    """The conversation does not exist, or not for this reader."""

    default_hint = "Leave conversation_id out to begin one; each answer says which it belongs to."


class Conflict(MoatError):
    """The thing exists already or is in a state that does not allow this."""

    status = 409
    title = "That conflicts with the present state"


class TooSlow(MoatError):
    """The request came so slowly that its connection is given to somebody else."""

    status = 408
    retryable = True
    title = "The request took too long to arrive"


class TooLarge(MoatError):
    """More bytes or characters than the setting allows."""

    status = 413
    title = "Too large"


class HeaderTooLarge(MoatError):
    """The request's header has more bytes than the setting allows."""

    status = 431
    title = "The header is too large"


class UnsupportedMedia(MoatError):
    """Moat has no reader for this kind of file."""

    status = 415
    title = "This kind of file is not supported"


class Overloaded(MoatError):
    """So much work waits that no more is taken in for now."""

    status = 429
    retryable = True
    title = "Too much work is waiting"
    retry_after_s: ClassVar[int] = 30
    default_hint = "Send it again after the seconds that Retry-After names; 'moat status' shows how much waits."


class RateLimited(MoatError):
    """More calls than a limit allows came in its window."""

    status = 429
    retryable = True
    title = "Too many calls"

    def __init__(self, detail: str, hint: str, retry_after_s: int) -> None:
        super().__init__(detail, hint)
        self.retry_after_s = retry_after_s


class FetchRefused(MoatError):
    """This address may not be fetched, or what it answers is beyond the limits."""

    status = 422
    title = "This address is not fetched"


class FetchFailed(MoatError):
    """The address does not answer as it should."""

    status = 502
    retryable = True
    title = "The address could not be fetched"


class StorageFull(MoatError):
    """The disk is full; nothing of the request was kept."""

    status = 507
    retryable = True
    title = "The disk is full"
    default_hint = "Free space on the volume that holds the blobs, then send it again; nothing was half-kept."


class Unavailable(MoatError):
    """A part that this call needs does not answer."""

    status = 503
    retryable = True
    title = "A part of Moat is not available"
    default_hint = "Try again in a moment; 'moat doctor' says which part is down."


class ParsingFailed(MoatError):
    """The document cannot be read, and trying again will not help."""

    status = 422
    title = "The document could not be read"


class ParserCrashed(MoatError):
    """The parser's process died or broke a limit; it may be the document or the moment."""

    retryable = True
    title = "The parser stopped"


class LostClaim(MoatError):
    """Another worker holds the claim now: stop, and leave no trace."""

    title = "The claim was lost"


class ProviderError(MoatError):
    """The model's provider refused, failed, or sent something that cannot be read."""

    status = 502
    title = "The model's provider failed"
    default_hint = "Try again, or choose another model; 'moat doctor' shows what the provider answers."


class ProviderTimeout(ProviderError):
    """The provider did not answer inside the deadline."""

    status = 504
    title = "The model's provider did not answer in time"


class ProviderRefused(ProviderError):
    """The provider refused this call, and would again."""

    title = "The model's provider refused the call"


class ProviderKeyRefused(ProviderRefused):
    """The provider does not take the key."""

    title = "The model's provider refused the key"


class ProviderOverloaded(ProviderError):
    """The provider has too much to do, or this key has made too many calls."""

    status = 503
    title = "The model's provider is overloaded"


class ProviderUnreachable(ProviderError):
    """The provider cannot be reached, or closed the connection."""

    title = "The model's provider cannot be reached"


class ProviderBroken(ProviderError):
    """An answer that was cut off, or that cannot be read."""

    title = "The model's answer broke off"


class ProviderSuspended(ProviderError):
    """The provider failed so often in a row that it is left alone for a while."""

    status = 503
    title = "The model's provider is left alone after failures"


class ModelNotAllowed(MoatError):
    """The model may not read these corpora's text, or not for this reader."""

    status = 403
    title = "This model may not be used here"
    default_hint = "Choose another model; an admin says in moat.toml and at the corpus which may read what."


class UnpricedModel(MoatError):
    """The model's price is unknown, so its cost could not be stated."""

    status = 422
    title = "This model has no known price"
    default_hint = "Give input_usd_per_million and output_usd_per_million for it under [models] in moat.toml."
