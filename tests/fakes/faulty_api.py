"""The API with an embedder that costs nothing, on whose clock a test has a hand: `python -m tests.fakes.faulty_api`."""

from dataclasses import replace

import uvicorn

import services.app
from moat.settings import Settings
from moat.telemetry import configure
from tests.fakes.counting_worker import WordsEmbedders
from tests.fakes.faults import Faults
from tests.fakes.full_disk import FullDisk
from tests.fakes.other_clock import other_clock


def main() -> None:
    settings = Settings.load()
    configure("api", settings.log_level)
    faults = Faults.from_environment()
    other_clock(faults, "clock-api")
    FullDisk(lambda: faults.number("full-api")).install()
    parts = services.app.build_parts(settings)
    parts = replace(parts, answering=replace(parts.answering, embedders=WordsEmbedders()))
    app = services.app.create_app(settings, parts)
    uvicorn.run(app, host=settings.api.host, port=settings.api.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
