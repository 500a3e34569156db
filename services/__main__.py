"""`python -m services` runs one API process."""

import uvicorn

from moat.settings import Settings
from moat.telemetry import configure
from services.app import create_app
from services.server import configuration


def main() -> None:
    """Serve the API until told to stop."""
    settings = Settings.load()
    configure("api", settings.log_level)
    server = uvicorn.Server(configuration(create_app(settings), settings.api))
    server.run()
    if not server.started:
        raise SystemExit(uvicorn.main.STARTUP_FAILURE)


main()
