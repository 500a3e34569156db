"""Parsers that crash, loop and eat memory, in the sandbox of a worker at work."""

import random

import pytest

from tests.fakes.trial import Trial, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]
WAYS = {"segfault": "quarantined", "loop": "failed", "hog": "failed"}


def test_a_parser_that_crashes_loops_or_eats_memory_ends_its_own_document_alone(
    trial: Trial, chance: random.Random
) -> None:
    files = notes(chance, 6)
    for way in WAYS:
        files.insert(chance.randrange(len(files)), (f"{way}-{chance.getrandbits(32)}.txt", notes(chance, 1)[0][1]))
    worker = trial.running.supervisor.pid("worker")
    documents = trial.upload(files)
    trial.close()
    for (name, _), document in zip(files, documents, strict=True):
        shown = trial.client.get(f"/v1/documents/{document}")
        assert shown["state"] == WAYS.get(name.split("-")[0], "ready"), shown
        assert bool(shown["hint"]) == (shown["state"] != "ready")
    assert trial.running.supervisor.pid("worker") == worker
    assert not trial.faults.value("deaths")
