"""Whether the API lives, and whether everything it needs answers."""

import logging
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy import text

from moat.errors import MoatError
from moat.jobs import INGEST
from services.dependencies import PartsOf, get_reader
from services.parts import Parts

log = logging.getLogger(__name__)

router = APIRouter(prefix="/health", tags=["health"])


class PartHealth(BaseModel):
    ok: bool
    detail: str = ""
    hint: str = ""


class Health(BaseModel):
    ready: bool
    parts: dict[str, PartHealth]


@router.get("/live")
def live() -> dict[str, bool]:
    """Tell that the process answers."""
    return {"live": True}


@router.get("/ready", responses={503: {"model": Health}})
def ready(request: Request, parts: PartsOf, response: Response) -> Health:
    """Tell whether catalog, vectors, blobs and broker answer, and to admins why not.

    Uploads are accepted even without the broker.
    """
    health = {
        "catalog": _check(lambda: _catalog(parts)),
        "vectors": _check(parts.vectors.check),
        "blobs": _check(parts.blobs.check),
        "broker": _check(lambda: parts.publisher.waiting(INGEST)),
    }
    is_ready = all(health[name].ok for name in ("catalog", "vectors", "blobs"))
    response.status_code = 200 if is_ready else 503
    if not is_ready:
        log.warning(
            "not ready: %s", "; ".join(f"{name}: {part.detail}" for name, part in health.items() if part.detail)
        )
    if not _is_admin(request, parts):  # what is wrong names folders, hosts and versions
        health = {name: PartHealth(ok=part.ok) for name, part in health.items()}
    return Health(ready=is_ready, parts=health)


def _is_admin(request: Request, parts: Parts) -> bool:
    if "authorization" not in request.headers:
        return False
    try:
        return get_reader(request, parts).is_admin
    except MoatError:  # no key that is known, or no catalog that could tell: then the answer is the public one
        return False


def _check(ask: Callable[[], object]) -> PartHealth:
    try:
        ask()
    except MoatError as error:
        return PartHealth(ok=False, detail=error.detail, hint=error.hint)
    return PartHealth(ok=True)


def _catalog(parts: Parts) -> None:
    with parts.database.reading() as session:
        session.execute(text("SELECT 1"))
