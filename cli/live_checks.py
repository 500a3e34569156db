"""What `moat doctor` asks of the parts that should be running."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy.engine import make_url

from cli.checks import Finding
from cli.embedded import connected, is_live
from cli.home import Home, RunningState
from moat.database import Database
from moat.errors import MoatError
from moat.settings import Settings

_PATIENCE_S = 5
_START = "'moat up' starts it."


def catalog(settings: Settings) -> Iterator[Finding]:
    """The catalog answers, with the schema of this version."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not (url.database and os.path.exists(url.database)):  # noqa: PTH110
        yield Finding("Catalog", "info", f"{url.database} is not there yet.", "'moat up' makes it.")
        return
    database = Database.from_settings(settings)
    try:
        present, wanted = database.revision()
    except MoatError as error:
        yield Finding("Catalog", "broken", error.detail, "Start the database, or correct MOAT_DATABASE__URL.")
        return
    finally:
        database.close()
    where = url.render_as_string(hide_password=True)
    if present == wanted:
        yield Finding("Catalog", "ok", f"{where}, schema {present}")
    else:
        text = f"{where} has schema {present}; this version wants {wanted}."
        yield Finding("Catalog", "broken", text, "Run 'moat migrate' ('moat up' does it too).")


def issuer(settings: Settings) -> Iterator[Finding]:
    """The OpenID Connect issuer answers, and has keys that its tokens can be checked with."""
    if not settings.oidc.issuer:
        yield Finding("Sign-in", "info", "with keys alone; no OpenID Connect issuer is set")
        return
    from moat.issuer_keys import IssuerKeys  # cryptography, which nobody else here needs

    try:
        keys = IssuerKeys(settings.oidc, settings.fetch).fetch()
    except MoatError as error:
        yield Finding("Sign-in", "broken", error.detail, error.hint)
        return
    yield Finding("Sign-in", "ok", f"{settings.oidc.issuer}, {len(keys)} keys")


def broker(settings: Settings) -> Iterator[Finding]:
    """The broker accepts this installation's password and counts its queue."""
    state = _state(settings)
    if state is None and not settings.broker.url:
        yield Finding("Broker", "info", "not running", _START)
        return
    # Celery takes half a second to import, and only this check needs it.
    from moat.jobs import INGEST, Publisher, celery_app

    complete = _complete(settings, state)
    try:
        waiting = Publisher(Database.from_settings(complete), celery_app(complete)).waiting(INGEST)
    except MoatError as error:
        step = "Correct MOAT_BROKER__URL or start the broker." if settings.broker.url else _read_log(settings, "valkey")
        yield Finding("Broker", "broken", error.detail, step)
        return
    yield Finding("Broker", "ok", f"{waiting} tasks wait to be ingested")


def vectors(settings: Settings) -> Iterator[Finding]:
    """Qdrant, embedded or not, answers to its key."""
    state = _state(settings)
    if state is None and not settings.qdrant.url:
        yield Finding("Vectors", "info", "not running", _START)
        return
    from moat.vectors import Vectors  # loads the client: seconds that a stopped platform need not wait for

    complete = _complete(settings, state)
    patient = complete.qdrant.model_copy(update={"timeout_s": _PATIENCE_S})
    try:
        count = len(Vectors.from_settings(complete.model_copy(update={"qdrant": patient})).collections())
    except MoatError as error:
        step = "Correct MOAT_QDRANT__URL or start Qdrant." if settings.qdrant.url else _read_log(settings, "edge")
        yield Finding("Vectors", "broken", error.detail, step)
        return
    yield Finding("Vectors", "ok", f"{complete.qdrant.url}, {count} collections")


def blobs(settings: Settings) -> Iterator[Finding]:
    """The folder or the bucket of the blobs is there and can be written."""
    where = settings.blobs if "://" in settings.blobs else str(settings.blobs_folder)
    if where.startswith("memory://"):
        text = f"{where}: every process has a memory of its own, so a worker finds nothing that was uploaded."
        yield Finding("Blobs", "broken", text, "Set MOAT_BLOBS to a folder or to s3://BUCKET/PREFIX.")
        return
    if "://" not in where and not os.path.exists(where):  # noqa: PTH110
        yield Finding("Blobs", "info", f"{where} is not there yet.", "'moat up' makes it.")
        return
    from moat.object_blobs import open_blobs

    try:
        store = open_blobs(settings)
        store.check()
        if "://" in where:  # a key may be let in and yet be kept from writing
            store.put(probe := f"checks/{uuid4().hex}", b"")
            store.delete(probe)
    except MoatError as error:
        yield Finding("Blobs", "broken", error.detail, error.hint)
        return
    yield Finding("Blobs", "ok", where)


def api(settings: Settings) -> Iterator[Finding]:
    """The API that was started here answers."""
    state = _state(settings)
    if state is None:
        yield Finding("API", "info", "not running here", _START)
    elif _answers(state):
        yield Finding("API", "ok", f"{state.url} (since {state.started_at})")
    else:
        yield Finding("API", "broken", f"{state.url} does not answer.", _read_log(settings, "api"))


def _answers(state: RunningState) -> bool:
    host = urlsplit(state.url).hostname or ""  # where it was told to listen, which need not be what the settings say
    return is_live(host, state.port, Path(state.certificate) if state.certificate else None)


def worker(settings: Settings) -> Iterator[Finding]:
    """The worker that was started here lives and has said that it is ready."""
    state = _state(settings)
    home = Home(settings.home_folder)
    if state is None:
        yield Finding("Worker", "info", "not running here", _START)
    elif _alive(state.processes.get("worker")) and home.worker_ready.exists():
        yield Finding("Worker", "ok", f"process {state.processes['worker']}")
    else:
        yield Finding("Worker", "broken", "It is down or not ready.", _read_log(settings, "worker"))


def _state(settings: Settings) -> RunningState | None:
    return Home(settings.home_folder).running()


def _complete(settings: Settings, state: RunningState | None) -> Settings:
    return settings if state is None else connected(settings, state.qdrant_port, state.broker_port)


def _alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's platform, seen by a doctor without the right to signal it
    return True


def _read_log(settings: Settings, name: str) -> str:
    return f"Read {Home(settings.home_folder).log(name)}; 'moat up' starts it again by itself."
