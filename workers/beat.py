"""`python -m workers.beat` runs the sweeper's clock alone, for installations with several workers."""

from moat.settings import Settings
from moat.telemetry import configure
from workers.app import beat_file, create_app


def main() -> None:
    """Send the sweep to its queue at its times until told to stop."""
    settings = Settings.load()
    configure("beat", settings.log_level)
    create_app(settings).Beat(schedule=str(beat_file(settings)), loglevel=settings.log_level).run()


if __name__ == "__main__":
    main()
