"""The API with an embedder that costs nothing, there again a moment after its death: `python -m tests.fakes.paid_api`.

The process that is started imports everything once, holds the socket whose number is in LISTENER, and lets a child of
it be the API. With FAULTS, the statements that a paid call passes are watched.
"""

import os
import signal
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes.striking import Striker

PAID_CALL = (
    "answering.answer",
    "moat.budgets",
    "moat.ledger",
    "moat.llm",
    "moat.reservations",
    "moat.waiting",
)


def serve(listener: socket.socket) -> None:
    """Be the API until told to stop."""
    import uvicorn

    import services.app
    from moat.settings import Settings
    from moat.telemetry import configure
    from tests.fakes.embedder import FakeEmbedders

    settings = Settings.load()
    configure("api", settings.log_level)
    parts = services.app.build_parts(settings)
    parts = replace(parts, answering=replace(parts.answering, embedders=FakeEmbedders()))
    app = services.app.create_app(settings, parts)
    config = uvicorn.Config(app, log_config=None, access_log=False, backlog=4096)
    uvicorn.Server(config).run(sockets=[listener])


def main() -> int:
    striker = Striker(Path(os.environ["FAULTS"])) if "FAULTS" in os.environ else None
    if striker is not None:
        striker.install(PAID_CALL)
    import services.app  # noqa: F401 (once for all children)
    from moat.llm.wires.openai import OpenAILike

    OpenAILike().load()
    listener = socket.socket(fileno=int(os.environ["LISTENER"]))
    while True:
        child = os.fork()
        if not child:
            if striker is not None:
                striker.begin()
            serve(listener)
            return 0
        signal.signal(signal.SIGTERM, partial(_end, child))
        (Path(os.environ["PID_FILE"])).write_text(str(child))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return os.waitstatus_to_exitcode(status)


def _end(child: int, *_: Any) -> None:
    os.kill(child, signal.SIGKILL)  # it has nothing to finish: the tests have seen all they want
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
