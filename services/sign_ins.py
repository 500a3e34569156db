"""Failed sign-ins, for the audit log: few enough that nobody can fill the disk with them."""

import logging

from anyio import to_thread
from fastapi import Request

from moat import audit
from moat.database import Database
from moat.errors import MoatError
from services.parts import Parts

log = logging.getLogger(__name__)


async def note_failed_sign_in(request: Request) -> None:
    """Write down that a key or token was refused: one a minute from each address, and none where none was sent."""
    if not request.headers.get("authorization"):
        return
    parts: Parts = request.app.state.parts
    address = request.client.host if request.client else ""
    if parts.lately.is_new(("sign-in", address)):
        await to_thread.run_sync(_record, parts.database, address, request.url.path[:200])


def _record(database: Database, address: str, path: str) -> None:
    try:
        audit.record(database, None, "sign_in.failed", address, path=path)
    except MoatError as error:  # the caller is refused all the same
        log.warning("a failed sign-in could not be written down: %s", error.detail)
