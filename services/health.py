"""Whether the API lives, and whether everything it needs answers."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text

from moat.errors import MoatError
from moat.jobs import INGEST
from services.dependencies import PartsOf
from services.parts import Parts

router = APIRouter(prefix="/health", tags=["health"])


class PartHealth(BaseModel):
    ok: bool
    detail: str
    hint: str = ""


class Health(BaseModel):
    ready: bool
    parts: dict[str, PartHealth]


@router.get("/live")
def live() -> dict[str, bool]:
    """Tell that the process answers."""
    return {"live": True}


@router.get("/ready", responses={503: {"model": Health}})
def ready(parts: PartsOf, response: Response) -> Health:
    """Tell whether catalog, vectors, blobs and broker answer; uploads are accepted even without the broker."""
    health = {
        "catalog": _check(lambda: _catalog(parts)),
        "vectors": _check(parts.vectors.check),
        "blobs": _check(parts.blobs.check),
        "broker": _check(lambda: parts.publisher.waiting(INGEST)),
    }
    is_ready = all(health[name].ok for name in ("catalog", "vectors", "blobs"))
    response.status_code = 200 if is_ready else 503
    return Health(ready=is_ready, parts=health)


def _check(ask: Callable[[], object]) -> PartHealth:
    try:
        ask()
    except MoatError as error:
        return PartHealth(ok=False, detail=error.detail, hint=error.hint)
    return PartHealth(ok=True, detail="")


def _catalog(parts: Parts) -> None:
    with parts.database.reading() as session:
        session.execute(text("SELECT 1"))
