"""`python -m services` runs one API process."""

import uvicorn

from moat.settings import Settings
from moat.telemetry import configure
from services.app import create_app

STOP_WITHIN_S = 8


def main() -> None:
    """Serve the API until told to stop."""
    settings = Settings.load()
    configure("api", settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.api.host,
        port=settings.api.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        server_header=False,
    )


main()
