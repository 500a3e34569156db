"""Many callers at once: the same file from everywhere, and uploads against deletions."""

import random
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from tests.fakes.trial import Trial, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]
AT_ONCE = 50
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 8))]


@pytest.mark.parametrize("seed", SEEDS)
def test_fifty_identical_uploads_at_once_are_one_document(trial: Trial, chance: random.Random, seed: int) -> None:
    (file,) = notes(chance, 1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ids = [document for found in pool.map(lambda _: trial.upload([file]), range(AT_ONCE)) for document in found]
    assert len(ids) == AT_ONCE
    assert len(set(ids)) == 1
    trial.close()
    assert trial.indexing(ids[0]).fence == 1  # claimed once


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_bytes_under_twenty_keys_at_once_share_one_original(
    trial: Trial, chance: random.Random, seed: int
) -> None:
    ((name, content),) = notes(chance, 1)
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: trial.upload([(f"{n}-{name}", content)])[0], range(20)))
    assert len(set(found)) == 20
    trial.close()
    # Whoever goes, the bytes stay for the others; with the last they go.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(trial.delete, found[1:]))
    trial.close()
    assert trial.states(found[:1]) == {"ready"}
    trial.delete(found[0])
    trial.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_uploads_and_deletions_race_for_the_same_keys(trial: Trial, chance: random.Random, seed: int) -> None:
    names = [f"raced-{seed}-{n}.txt" for n in range(3)]
    contents = [content for _, content in notes(chance, 4)]

    def race(number: int) -> None:
        own = random.Random(f"{seed}/{number}")
        known: list[UUID] = []
        for _ in range(6):
            if known and own.random() < 0.5:
                trial.delete(known.pop(own.randrange(len(known))))
            else:
                known += trial.upload([(own.choice(names), own.choice(contents))])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(race, range(6)))
    trial.close()
