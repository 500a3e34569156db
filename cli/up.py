"""`moat up`: the whole platform on one machine, under one command."""

import json
import logging
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli.embedded import api_url, connected, embedded_platform, rebuild_vectors
from cli.home import Home, RunningState
from cli.ports import free_port, require_free
from cli.process import ProcessSpec
from cli.supervisor import Backoff, Happening, Supervisor
from ingest.pipeline import fingerprint
from moat.bootstrap import bootstrap
from moat.database import Database
from moat.exposure import check_exposure
from moat.settings import Settings

log = logging.getLogger(__name__)

Report = Callable[[Happening], None]
_COLOURS = {"ready": "green", "died": "red"}


@dataclass(frozen=True)
class Platform:
    """A platform under supervision; `settings` reach every part of it."""

    url: str
    home: Home
    settings: Settings
    supervisor: Supervisor
    first_key: str | None  # only when this start made it

    @property
    def admin_key(self) -> str:
        """The key that the first start left in the home."""
        return self.home.key_file.read_text(encoding="utf-8").strip()


@contextmanager
def platform(
    settings: Settings,
    *,
    edit: Callable[[list[ProcessSpec]], list[ProcessSpec]] = lambda specs: specs,
    report: Report = lambda happening: None,
    backoff: Backoff | None = None,
) -> Iterator[Platform]:
    """Start the platform of these settings and stop it at the end; `supervisor.wait_ready` tells when it serves.

    Raises Conflict when the home or the port is taken, and InvalidRequest when the API may not listen there.
    `edit` may replace processes before they start.
    """
    check_exposure(settings.api)
    home = Home(settings.home_folder)
    home.prepare()
    with home.owned():
        state = _new_state(settings)
        complete = connected(settings, state.qdrant_port, state.broker_port)
        specs = edit(embedded_platform(settings, state))
        first_key = _prepare_catalog(complete, home, vectors_here=not settings.qdrant.url)
        home.write_state(state)

        def note(happening: Happening) -> None:
            try:
                home.write_state(replace(state, processes=supervisor.pids()))
                report(happening)
            except OSError as error:  # a full disk or a closed terminal is no reason to stop serving
                log.warning("what happened to %s could not be told: %s", happening.name, error)

        supervisor = Supervisor(specs, note, backoff)
        supervisor.start()
        try:
            yield Platform(state.url, home, complete, supervisor, first_key)
        finally:
            supervisor.stop()


def _new_state(settings: Settings) -> RunningState:
    host = settings.api.host
    port = settings.api.port or free_port(host)
    require_free(host, port)
    return RunningState(
        url=api_url(host, port, settings.api.tls_certificate),
        port=port,
        pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        qdrant_port=free_port(),
        broker_port=free_port(),
        certificate=str(settings.api.tls_certificate.expanduser().absolute()) if settings.api.tls_certificate else "",
    )


def _prepare_catalog(settings: Settings, home: Home, vectors_here: bool) -> str | None:
    database = Database.from_settings(settings)
    try:
        first_key = bootstrap(database, settings, fingerprint, key_file=home.key_file)
    finally:
        database.close()
    if vectors_here and not first_key and not (home.qdrant / "catalog.json").exists():
        rebuild_vectors(settings)  # the folder was removed; the catalog knows what it must hold
    return first_key


def up(
    home: Annotated[Path | None, typer.Option(help="Folder that holds everything.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65_535)] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; beyond this machine it takes TLS or a trusted proxy.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per change instead of text.")] = False,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    os.umask(0o077)
    with platform(load_settings(home, port, host), report=show_json if as_json else show) as running:
        stop_on_signals(running.supervisor)
        if running.supervisor.wait_ready():
            if as_json:
                typer.echo(json.dumps({"ready": running.url, "key_file": str(running.home.key_file)}))
            else:
                announce(running)
        running.supervisor.wait()
    if not as_json:
        typer.echo("Moat has stopped.")


def load_settings(home: Path | None = None, port: int | None = None, host: str | None = None) -> Settings:
    """Read the settings of a home, with the port and the host that the command line gave."""
    settings = Settings.load() if home is None else Settings.load(home=home.expanduser().absolute())
    given = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    return settings.model_copy(update={"api": settings.api.model_copy(update=given)})


def stop_on_signals(supervisor: Supervisor) -> None:
    """Stop at Ctrl-C, SIGTERM and the terminal's end; a second signal kills instead of waiting."""

    def stop(number: int, frame: FrameType | None) -> None:
        supervisor.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish stays
            signal.signal(number, stop)


def show(happening: Happening) -> None:
    """Print a process's line, and what it said when it died."""
    detail = textwrap.indent(f"\n{happening.detail}", "    ") if happening.detail else ""
    pid = happening.pid or "-"
    line = f"{happening.name:<8} {pid:>8}  {happening.state:<9} {happening.address}{detail.rstrip()}"
    typer.secho(line, fg=_COLOURS.get(happening.state))


def show_json(happening: Happening) -> None:
    """Print what happened to a process as one JSON object."""
    typer.echo(json.dumps(asdict(happening)))


def announce(running: Platform) -> None:
    """Say where Moat is; the key itself is shown to a person only, never to a log."""
    key_file = running.home.key_file
    key = running.admin_key if key_file.exists() else ""
    if key and sys.stdout.isatty():
        if running.first_key:
            typer.echo(f"Your first admin key, kept in {key_file}: {running.first_key}")
        typer.secho(f"Moat is ready: {running.url}/#key={key}", fg="green", bold=True)
    else:
        where = f" (admin key in {key_file})" if key else ""
        typer.echo(f"Moat is ready: {running.url}{where}")
