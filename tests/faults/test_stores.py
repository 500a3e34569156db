"""Vectors that are away and disks that are full: work waits for them, and goes on."""

import random
import time

import pytest
from sqlalchemy import func, select

from moat.tables import Indexing
from tests.fakes.patient import eventually
from tests.fakes.trial import Trial, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 4))]


def tried_again(trial: Trial) -> int:
    """Count the tries in a row that documents have made in vain."""
    with trial.stores.database.reading() as session:
        return session.scalar(select(func.sum(Indexing.transients))) or 0


def away(trial: Trial, seed: int, seconds: float) -> None:
    """Keep the vectors' server away while documents arrive, for so long and until work has been tried in vain."""
    chance = random.Random(seed)
    trial.upload(notes(chance, 3))
    trial.doors.shut("edge")
    trial.kill_without_successor("edge")
    over = time.monotonic() + seconds
    documents = trial.upload(notes(chance, 5))
    assert trial.ask("Who keeps what?") == 503
    eventually(lambda: tried_again(trial) >= 5 and time.monotonic() > over, seconds + 60)
    assert "failed" not in trial.states(documents)
    trial.doors.open("edge")
    trial.close(180)
    assert trial.states(documents) == {"ready"}


def test_the_vectors_server_is_away_for_a_while(trial: Trial) -> None:
    away(trial, 0, 0)


@pytest.mark.soak
def test_the_vectors_server_is_away_for_a_minute(trial: Trial) -> None:
    away(trial, 1, 60)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_disk_that_is_full_for_a_while_delays_documents_and_loses_none(trial: Trial, seed: int) -> None:
    chance = random.Random(seed)
    trial.faults.put("full", chance.randint(1, 8))
    documents = trial.upload(notes(chance, 6))
    eventually(lambda: tried_again(trial) >= 4)
    assert trial.try_upload(*notes(chance, 1)[0]) == 507
    trial.faults.drop("full")
    trial.close()
    assert trial.states(documents) == {"ready"}
