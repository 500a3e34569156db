"""Routes of the sources that the worker follows: how each is, run one now, agree to what it would delete."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moat import audit
from moat.errors import NotFound
from moat.records import DocumentState
from moat.settings import Settings
from moat.sources import approve, ask, find_row
from moat.tables import Document, SourceRow
from services.admin.source_schemas import SourcePage, SourceShape, SyncBody
from services.dependencies import Admin, PartsOf

router = APIRouter(prefix="/v1/sources", tags=["sources"])
Name = Annotated[str, Path(max_length=64)]


@router.get("")
def list_sources(reader: Admin, parts: PartsOf) -> SourcePage:
    """List the sources of moat.toml, and those that were taken out of it while their documents stayed."""
    with parts.database.reading() as session:
        seen = session.scalars(select(SourceRow.name)).all()
        names = [*parts.settings.sources, *sorted(set(seen) - set(parts.settings.sources))]
        return SourcePage(items=[_shape(session, name, parts.settings) for name in names])


@router.get("/{name}")
def get_source(name: Name, reader: Admin, parts: PartsOf) -> SourceShape:
    """Show one source: its last run, its next one, and what the last dry run found."""
    with parts.database.reading() as session:
        return _shape(session, name, parts.settings)


@router.post("/{name}/sync", status_code=202)
def sync_source(name: Name, body: SyncBody, reader: Admin, parts: PartsOf) -> SourceShape:
    """Have the worker run a source now; `dry_run` only finds out what would be done."""
    _must_be_stated(name, parts.settings)
    with parts.database.transaction() as session:
        ask(find_row(session, name, parts.database), dry_run=body.dry_run)
        audit.note(session, reader, "source.asked", name, dry_run=body.dry_run)
        session.flush()
        return _shape(session, name, parts.settings)


@router.post("/{name}/approve", status_code=202)
def approve_source(name: Name, reader: Admin, parts: PartsOf) -> SourceShape:
    """Agree to the deletions that wait, and run the source again; what came back meanwhile stays."""
    _must_be_stated(name, parts.settings)
    with parts.database.transaction() as session:
        approve(find_row(session, name, parts.database))
        audit.note(session, reader, "source.approved", name)
        session.flush()
        return _shape(session, name, parts.settings)


def _must_be_stated(name: str, settings: Settings) -> None:
    if name not in settings.sources:
        raise NotFound(f"There is no source {name!r} in moat.toml.", "GET /v1/sources lists what there is.")


def _shape(session: Session, name: str, settings: Settings) -> SourceShape:
    source, row = settings.sources.get(name), session.get(SourceRow, name)
    if source is None and row is None:
        _must_be_stated(name, settings)
    documents = session.scalar(
        select(func.count())
        .select_from(Document)
        .where(Document.source == name, Document.state != DocumentState.DELETING)
    )
    return SourceShape(
        name=name,
        configured=source is not None,
        kind=source.kind if source else None,
        corpus=source.corpus if source else None,
        access=list(source.access) if source else [],
        access_from=(source.access_from or None) if source else None,
        schedule=(source.schedule or None) if source else None,
        documents=documents or 0,
        state=row.state if row else "new",
        requested=row.requested if row else None,
        last_started_at=row.started_at if row else None,
        last_finished_at=row.finished_at if row else None,
        next_at=row.next_at if row and source else None,
        counts=row.counts if row else {},
        held=len(row.held) if row else 0,
        problems=row.problems if row else [],
        error=row.error if row else None,
        hint=row.hint if row else None,
        plan=row.plan if row else None,
    )
