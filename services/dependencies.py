"""What routes ask for: the parts, and who is asking."""

import logging
from typing import Annotated

from fastapi import Depends, Request

from moat.access import act_for, authenticate, note_use, require
from moat.errors import MoatError, Unauthenticated
from moat.oidc import looks_like_token
from moat.records import FINANCE, Reader
from services.on_behalf import read_stated
from services.parts import Parts
from services.rates import Rates

log = logging.getLogger(__name__)


def get_parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(get_parts)]


def get_reader(request: Request, parts: PartsOf) -> Reader:
    """Turn the bearer key or token into a Reader, or raise Unauthenticated; a trusted key may state another person."""
    sent = request.headers.getlist("authorization")
    if len(sent) > 1:  # whoever looked at it on the way may have looked at the other one
        raise Unauthenticated("More than one key came with this call.", "Send one Authorization header.")
    kind, _, rest = "".join(sent).partition(" ")
    secret = rest.strip()
    if kind.lower() != "bearer" or not secret:
        raise Unauthenticated("No key came with this call.")
    if parts.issuer is not None and looks_like_token(secret):
        reader = parts.issuer.reader(secret)
    else:
        with parts.database.reading() as session:
            reader = authenticate(session, secret, request.headers.get("origin"))
    stated = read_stated(request.headers)
    if stated is not None:
        with parts.database.reading() as session:
            reader = act_for(session, reader, stated)
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
    """A dependency that demands one of these scopes of the key."""

    def __init__(self, *scopes: str) -> None:
        self._scopes = scopes

    def __call__(self, reader: ReaderOf) -> Reader:
        require(reader, *self._scopes)
        return reader


Reading = Annotated[Reader, Depends(Scoped("read"))]
Asking = Annotated[Reader, Depends(Scoped("ask"))]
Uploading = Annotated[Reader, Depends(Scoped("upload"))]
SeeingCosts = Annotated[Reader, Depends(Scoped("read", FINANCE))]
Finance = Annotated[Reader, Depends(Scoped(FINANCE))]
Admin = Annotated[Reader, Depends(Scoped("admin"))]


def publish_soon(parts: Parts) -> None:
    """Send what was just committed to the broker; the sweeper sends it later if the broker is away."""
    try:
        parts.publisher.publish_due()
    except MoatError as error:
        log.warning("tasks wait in the outbox: %s", error.detail)
