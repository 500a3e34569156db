"""One run of a source: look, compare, take the steps, write down how it ended."""

import logging
import shutil
from functools import partial
from pathlib import Path
from uuid import UUID

from moat.access import check_principals, find_corpus
from moat.backlog import check_backlog
from moat.errors import InvalidRequest, LostClaim, MoatError, Overloaded
from moat.fetch import Fetcher
from moat.records import Reader
from moat.source_settings import SourceSettings
from workers.parts import Parts
from workers.sources.apply import apply_plan, load_present
from workers.sources.folder import list_folder
from workers.sources.lease import Lease, conclude, fenced, taken
from workers.sources.listing import Listing
from workers.sources.plan import Plan, make_plan
from workers.sources.reader import read_with
from workers.sources.web import list_pages, read_sitemap

log = logging.getLogger(__name__)

SHOWN = 20
_ROOM_S = 5.0
_NO_ACCESS = "State `access`, or `access_from` with `groups`, in moat.toml: what states no readers is not indexed."


def follow_due(parts: Parts) -> None:
    """Run every source that is due, one after the other; what goes wrong with one stays with it."""
    for name, source in parts.settings.sources.items():
        try:
            run_source(name, source, parts)
        except Exception:
            log.exception("the source %r could not be run", name)


def run_source(name: str, source: SourceSettings, parts: Parts) -> bool:
    """Run one source if it is due and nobody else does; False when there was nothing to do."""
    with taken(name, source, parts.database, parts.settings.worker.lease_s) as lease:
        if lease is None:
            return False
        try:
            _run(lease, source, parts)
        except LostClaim:
            raise
        except MoatError as error:
            _fail(lease, source, error.detail, error.hint, parts)
        except Exception as error:
            _fail(lease, source, f"An unforeseen error: {error!r:.500}", "The worker's log has the details.", parts)
            raise
    return True


def _run(lease: Lease, source: SourceSettings, parts: Parts) -> None:
    if not source.states_access:
        raise InvalidRequest(f"The source {lease.name!r} says nothing about who may read it.", _NO_ACCESS)
    check_principals([*source.access, *(ours for groups in source.groups.values() for ours in groups)])
    with parts.database.reading() as session:
        corpus = find_corpus(session, _SELF, source.corpus)
    folder = _empty_folder(lease.name, parts)
    try:
        listing = _look(lease, source, folder, parts)
        with parts.database.reading() as session:
            present = load_present(session, lease.name)
        with parts.database.transaction() as session:
            approved = [UUID(text) for text in fenced(session, lease).approved]
        plan = make_plan(listing, source, corpus.id, present, approved, lease.check)
        if lease.is_dry:
            _note_plan(lease, source, plan, listing, parts)
            return
        refused = apply_plan(plan, lease, corpus, parts, partial(_wait_for_room, lease, parts))
        _note_run(lease, source, plan, listing, refused, parts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_SELF = Reader(None, "source", scopes=frozenset({"admin"}))


def _empty_folder(name: str, parts: Parts) -> Path:
    """Make the folder for what is fetched; a run that was cut off may have left one."""
    folder = parts.settings.home_folder / "run" / "sources" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _look(lease: Lease, source: SourceSettings, folder: Path, parts: Parts) -> Listing:
    """List what the source holds, whatever its kind, with keys that begin with its name."""
    prefix = f"{lease.name}/"
    if source.folder is not None:
        return list_folder(source.folder.expanduser(), prefix, links_leave=False, alive=lease.check)
    if source.reader:
        return read_with(source, prefix, parts.settings.readers.allow, folder, lease.check)
    fetcher = Fetcher(parts.settings.fetch)
    pages = source.urls or tuple(read_sitemap(source.sitemap, fetcher))
    return list_pages(pages, prefix, fetcher, folder, lease.check)


def _wait_for_room(lease: Lease, parts: Parts) -> None:
    """Wait while so much is queued that uploads are refused: a source must not keep people out."""
    while True:
        with parts.database.reading() as session:
            try:
                check_backlog(session, parts.settings.upload.max_backlog)
            except Overloaded:
                pass
            else:
                break
        lease.lost.wait(_ROOM_S)
        lease.check()
    _publish(parts)


def _publish(parts: Parts) -> None:
    try:
        parts.publisher.publish_due()
    except MoatError as error:  # the sweeper publishes what waits
        log.warning("documents of a source could not be published: %s", error.detail)


def _note_plan(lease: Lease, source: SourceSettings, plan: Plan, listing: Listing, parts: Parts) -> None:
    with parts.database.transaction() as session:
        row = fenced(session, lease)
        row.plan = plan.as_json() | {"missing": list(listing.missing[:SHOWN])}
        conclude(row, lease, source, "done")


def _note_run(
    lease: Lease, source: SourceSettings, plan: Plan, listing: Listing, refused: dict[str, str], parts: Parts
) -> None:
    _publish(parts)
    error = hint = ""
    state = "partial" if listing.missing else "done"
    if listing.missing:
        error = f"The listing is partial, so nothing was deleted: {listing.missing[0]}"
        hint = "The next run tries again; 'problems' names what could not be read."
    if plan.held:
        state = "held"
        error = f"{len(plan.held):,} documents would be deleted, over a fifth: none of them was."
        hint = f"Look with 'moat sync {lease.name} --dry-run', then agree with 'moat sync {lease.name} --yes'."
        if not plan.same and source.reader and not source.id_from:
            hint += " If the reader gives its documents other ids each time, name a key that lasts with id_from."
    with parts.database.transaction() as session:
        row = fenced(session, lease)
        row.counts = plan.counts() | {"refused": len(refused)}
        said = [f"{key}: {why}" for key, why in refused.items()]
        row.problems = [*listing.missing[:SHOWN], *said[:SHOWN], *listing.warnings[:SHOWN]]
        if not listing.missing:  # otherwise what waits, or was agreed to, is as it was
            row.held, row.approved = [str(old.id) for old in plan.held], []
        conclude(row, lease, source, state, error, hint)


def _fail(lease: Lease, source: SourceSettings, error: str, hint: str, parts: Parts) -> None:
    log.warning("the source %r failed: %s", lease.name, error)
    with parts.database.transaction() as session:
        conclude(fenced(session, lease), lease, source, "failed", error, hint)
