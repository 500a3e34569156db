"""What routes ask for: the parts, and who is asking."""

import logging
from typing import Annotated

from fastapi import Depends, Request

from moat.access import authenticate, note_use, require
from moat.errors import MoatError, Unauthenticated
from moat.records import Reader
from services.parts import Parts
from services.rates import Rates

log = logging.getLogger(__name__)


def get_parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(get_parts)]


def get_reader(request: Request, parts: PartsOf) -> Reader:
    """Turn the bearer key or token into a Reader, or raise Unauthenticated."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("No key came with this call.")
    with parts.database.reading() as session:
        reader = authenticate(session, secret.strip(), request.headers.get("origin"))
    if reader.key_id is not None:
        _note(reader, parts)
    return reader


def _note(reader: Reader, parts: Parts) -> None:
    assert reader.key_id is not None  # noqa: S101 (the caller looked)
    try:
        note_use(parts.database, reader.key_id)
    except MoatError:
        log.warning("the use of a key could not be noted", exc_info=True)


def get_counted_reader(request: Request, reader: Annotated[Reader, Depends(get_reader)]) -> Reader:
    """Count the call for its user, who may have several keys; raises RateLimited."""
    rates: Rates = request.app.state.rates
    rates.take("user", reader.user)
    return reader


ReaderOf = Annotated[Reader, Depends(get_counted_reader)]


class Scoped:
    """A dependency that demands a scope of the key."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    def __call__(self, reader: ReaderOf) -> Reader:
        require(reader, self._scope)
        return reader


Reading = Annotated[Reader, Depends(Scoped("read"))]
Asking = Annotated[Reader, Depends(Scoped("ask"))]
Uploading = Annotated[Reader, Depends(Scoped("upload"))]
Admin = Annotated[Reader, Depends(Scoped("admin"))]


def publish_soon(parts: Parts) -> None:
    """Send what was just committed to the broker; the sweeper sends it later if the broker is away."""
    try:
        parts.publisher.publish_due()
    except MoatError as error:
        log.warning("tasks wait in the outbox: %s", error.detail)
