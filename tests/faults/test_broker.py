"""A broker that forgets and dies: it only carries what the catalog knows."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes.faults import before
from tests.fakes.patient import eventually
from tests.fakes.trial import Trial, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]
QUEUED = 200
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_broker_is_emptied_with_two_hundred_documents_queued(
    trial: Trial, chance: random.Random, seed: int
) -> None:
    trial.faults.hold(before("_load"))
    documents = trial.upload(notes(chance, QUEUED, words=10))
    eventually(lambda: trial.faults.held() and trial.waiting() > QUEUED * 0.9)
    trial.stores.flush_broker()
    assert trial.waiting() == 0
    trial.faults.release()
    trial.close()
    assert trial.states(documents[::20]) == {"ready"}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_broker_is_killed_ten_times_while_documents_arrive(trial: Trial, chance: random.Random, seed: int) -> None:
    with ThreadPoolExecutor(1) as pool:
        for _ in range(10):
            arriving = pool.submit(trial.upload, notes(chance, chance.randint(1, 4)))
            if chance.random() < 0.5:
                arriving.result()
            trial.kill("valkey")
            arriving.result()
    trial.close()
