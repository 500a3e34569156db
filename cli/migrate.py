"""`moat migrate`: what a new or upgraded installation needs, before its processes start."""

from pathlib import Path
from typing import Annotated

import typer

from cli.home import Home
from cli.output import AsJson, emit, err, out
from ingest.pipeline import fingerprint
from moat.bootstrap import bootstrap
from moat.database import Database
from moat.settings import Settings


def migrate(
    key_file: Annotated[
        Path | None, typer.Option(help="Write the first admin key here (mode 0600) instead of printing it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the catalog's schema up to date, and make the first admin key where there is none.

    For many machines; 'moat up' does this by itself.
    """
    settings = Settings.load()
    if settings.database.url:
        first_key = _bootstrap(settings, key_file)
    else:
        home = Home(settings.home_folder)
        home.prepare()
        with home.owned():  # a running platform has migrated already, and must not be disturbed
            first_key = _bootstrap(settings, key_file or home.key_file)
            key_file = key_file or (home.key_file if first_key else None)
    if as_json:
        emit({"migrated": True, "first_key": None if key_file else first_key, "key_file": key_file and str(key_file)})
        return
    err.print("The catalog is up to date.")
    if first_key and key_file:
        out.print(f"The first admin key is in {key_file}.", soft_wrap=True)
    elif first_key:
        err.print("This is the first admin key; it is shown once, keep it now:", style="bold")
        typer.echo(first_key)


def _bootstrap(settings: Settings, key_file: Path | None) -> str | None:
    database = Database.from_settings(settings)
    try:
        return bootstrap(database, settings, fingerprint, key_file=key_file)
    finally:
        database.close()
