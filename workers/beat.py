"""The sweeper's clock; `python -m workers.beat` runs it alone, for installations with several workers."""

import logging
import signal
from threading import Event

from celery import Celery
from kombu.exceptions import KombuError, OperationalError

from moat import jobs
from moat.errors import Unavailable
from moat.settings import Settings
from moat.telemetry import configure

log = logging.getLogger(__name__)


def beat(app: Celery, every_s: float, stopped: Event) -> None:
    """Ask for a sweep every so often until stopped.

    It counts the seconds that pass, as Celery's own does not: a wall clock that is set back would hold that up for as
    long, and its messages expire by the receiver's clock.
    """
    while not stopped.wait(every_s):
        try:
            if not jobs.waiting(app, jobs.UPKEEP):  # a busy worker will come to the one that was asked for before
                app.send_task(jobs.SWEEP, queue=jobs.UPKEEP, retry=False)
        except (Unavailable, OperationalError, KombuError, OSError) as error:
            log.warning("a sweep could not be asked for: %s", error)


def main() -> None:
    """Run the clock until told to stop."""
    settings = Settings.load()
    configure("beat", settings.log_level, settings.secrets())
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    beat(jobs.celery_app(settings), settings.worker.sweep_s, stopped)


if __name__ == "__main__":
    main()
