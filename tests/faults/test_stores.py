"""Vectors that are away and disks that are full: work waits for them, and goes on."""

import random
import time

import pytest
from sqlalchemy import func, select

from moat.tables import Indexing
from tests.fakes.patient import eventually
from tests.fakes.trial import Trial, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]


def tried_again(trial: Trial) -> int:
    """Count the tries in a row that documents have made in vain."""
    with trial.stores.database.reading() as session:
        return session.scalar(select(func.sum(Indexing.transients))) or 0


def away(trial: Trial, chance: random.Random, seconds: float) -> None:
    """Keep the vectors' server away while documents arrive, for so long and until work has been tried in vain."""
    trial.upload(notes(chance, 3))
    trial.close()  # from here on there is something that a question is looked up in
    trial.doors.shut("edge")
    trial.kill_without_successor("edge")
    over = time.monotonic() + seconds
    documents = trial.upload(notes(chance, 5))
    assert trial.ask("Who keeps what?") == 503
    eventually(lambda: tried_again(trial) >= 5 and time.monotonic() > over, seconds + 60)
    assert "failed" not in trial.states(documents)
    trial.doors.open("edge")
    trial.close()
    assert trial.states(documents) == {"ready"}


def test_the_vectors_server_is_away_for_a_while(trial: Trial, chance: random.Random) -> None:
    away(trial, chance, 0)


@pytest.mark.soak
def test_the_vectors_server_is_away_for_a_minute(trial: Trial, chance: random.Random) -> None:
    away(trial, chance, 60)


@pytest.mark.parametrize("writes", [3, *(pytest.param(n, marks=pytest.mark.soak) for n in (1, 2, *range(4, 25)))])
def test_a_disk_that_is_full_from_some_write_on_delays_documents_and_loses_none(
    trial: Trial, chance: random.Random, writes: int
) -> None:
    trial.faults.put("full-worker", writes)
    documents = trial.upload(notes(chance, 6))
    eventually(lambda: tried_again(trial) >= 2)
    trial.faults.put("full-api", chance.randint(1, 4))
    assert 507 in {trial.try_upload(*note) for note in notes(chance, 4)}
    trial.faults.drop("full-api")
    trial.faults.drop("full-worker")
    trial.close()
    assert trial.states(documents) == {"ready"}
