"""Questions that go on being asked while something else happens to the platform."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.up import Platform
from tests.fakes.files import subject
from tests.fakes.patient import PatientClient


class Asker(threading.Thread):
    """Asks questions until told to stop, and keeps what went wrong."""

    def __init__(self, running: Platform, numbers: list[int]) -> None:
        super().__init__(daemon=True)
        self._client = PatientClient(running)
        self._numbers = itertools.cycle(numbers)
        self._over = threading.Event()
        self.asked = 0
        self.failures: list[str] = []
        self.took_s: list[float] = []

    def run(self) -> None:
        while not self._over.is_set():
            number, started = next(self._numbers), time.monotonic()
            try:
                self._ask(f"Who keeps {subject(number)} in section 3?", subject(number))
            except Exception as error:  # noqa: BLE001 (the test reads it)
                self.failures.append(repr(error))
            self.asked += 1
            self.took_s.append(time.monotonic() - started)

    def _ask(self, question: str, wanted: str) -> None:
        if self.asked % 2:
            answer = self._client.post("/v1/answers", {"question": question, "model": "extractive"})
            assert answer["answer"], answer
        else:
            # By its words alone: how the random vectors of the tiny model rank is nobody's promise.
            body = {"question": question, "retrieval": {"arms": ["sparse"]}}
            first, *_ = self._client.post("/v1/search", body)["passages"]
            assert wanted in first["text"], f"{wanted} was not found, but {first}"

    def stop(self) -> None:
        self._over.set()
        self.join(100)
        assert not self.is_alive()
        assert self.asked > 10
        assert self.failures == []


@contextmanager
def being_asked(running: Platform, numbers: list[int]) -> Iterator[Asker]:
    asker = Asker(running, numbers)
    asker.start()
    try:
        yield asker
    finally:
        asker.stop()
