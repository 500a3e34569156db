"""Workers that die, freeze or are told to go, exactly between two steps of a document."""

import os
import random
import signal

import pytest

from tests.fakes.faults import Boundary, boundaries, steps
from tests.fakes.patient import eventually
from tests.fakes.trial import Trial, archive, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]
SOAK = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6)]


def reached(trial: Trial, chance: random.Random) -> set[Boundary]:
    """Find where documents of each kind pass, by sending some through."""
    trial.faults.put("record", "yes")
    trial.upload([*notes(chance, 2), archive(chance)])
    trial.close()
    trial.faults.drop("record")
    return trial.faults.reached()


def killed_at(trial: Trial, places: list[Boundary], chance: random.Random) -> None:
    """Have a worker killed once at each of these places, while documents keep coming."""
    for place in places:
        trial.faults.arm("kill", place)
    while trial.faults.armed("kill"):
        before = trial.faults.armed("kill")
        trial.upload([*notes(chance, 2), archive(chance)])
        eventually(lambda: trial.faults.armed("kill") != before, 60)
    trial.close()
    assert len(trial.faults.struck("kill")) == len(set(places))


@pytest.mark.parametrize("seed", [0, *SOAK])
def test_a_worker_is_killed_at_every_boundary_between_two_steps(trial: Trial, seed: int) -> None:
    chance = random.Random(seed)
    passed = reached(trial, chance)
    assert len(steps()) > 5
    assert set(steps()) <= passed, "a step that no document takes cannot be killed"
    inside = sorted(passed - set(steps()))
    killed_at(trial, [*steps(), *chance.sample(inside, 6)], chance)


@pytest.mark.soak
def test_a_worker_is_killed_before_every_statement_that_is_reached(trial: Trial) -> None:
    chance = random.Random(7)
    passed = reached(trial, chance)
    assert passed <= set(boundaries())
    killed_at(trial, sorted(passed), chance)
