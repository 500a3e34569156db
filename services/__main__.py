"""`python -m services` runs one API process."""

import uvicorn

from moat.errors import MoatError
from moat.settings import Settings
from moat.telemetry import configure
from services.app import create_app
from services.parts import Parts
from services.server import configuration
from services.warm import rest, warm

_NOT_STARTED = 3  # as uvicorn's own command ends then


def main() -> None:
    """Serve the API until told to stop."""
    settings = Settings.load()
    configure("api", settings.log_level, settings.secrets())
    try:
        listening = configuration(create_app(settings, warm_up=_load), settings.api)
    except MoatError as error:
        raise SystemExit(f"{error.detail} {error.hint}") from error
    server = uvicorn.Server(listening)
    server.run()
    if not server.started:
        raise SystemExit(_NOT_STARTED)


def _load(parts: Parts) -> None:
    warm(parts)
    rest()


main()
