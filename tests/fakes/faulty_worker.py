"""A worker that faults befall, and that is there again a moment after its death: `python -m tests.fakes.faulty_worker`.

The process that is started imports everything once and lets a child of it be the worker. A child that is killed has
a successor at once, as a supervised worker has after some seconds.
"""

import os
import signal
import sys
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any

import workers.app
import workers.sweep
from moat.settings import Settings
from tests.fakes.counting_worker import WordsEmbedders
from tests.fakes.faults import Faults
from tests.fakes.full_disk import FullDisk
from tests.fakes.other_clock import other_clock
from workers.claims import Claim, Claims

# What a worker imports only when it runs: the child finds it there.
IMPORTED_LATER = ("celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis", "ingest.parse")
FORGOTTEN_AFTER = timedelta(seconds=2)


def work(faults: Faults) -> int:
    """Be the worker until told to stop."""
    faults.strike_in_tasks()
    other_clock(faults, "clock-worker")
    FullDisk(lambda: faults.number("full-worker")).install()
    workers.sweep.FORGOTTEN_AFTER = FORGOTTEN_AFTER  # nothing here is slow enough to be waited for longer
    _keep_leases_unless_silent(faults)
    workers.app.Sandbox = partial(workers.app.Sandbox, parsers="tests.fakes.faulty_parser")  # type: ignore[misc]
    return workers.app.run(Settings.load(), WordsEmbedders())


def _keep_leases_unless_silent(faults: Faults) -> None:
    renew = Claims._renew

    def maybe_renew(claims: Claims, claim: Claim) -> None:
        if not faults.is_silent():
            renew(claims, claim)

    Claims._renew = maybe_renew  # type: ignore[method-assign]


def main() -> int:
    for name in IMPORTED_LATER:
        import_module(name)
    faults = Faults.from_environment()
    while True:
        child = os.fork()
        if not child:
            os._exit(work(faults))
        signal.signal(signal.SIGTERM, partial(_pass_on, child))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return os.waitstatus_to_exitcode(status)
        faults.put("deaths", int(faults.value("deaths") or 0) + 1)


def _pass_on(child: int, number: int, _: Any) -> None:
    os.kill(child, number)


if __name__ == "__main__":
    sys.exit(main())
