"""Workers that die, freeze or are told to go, exactly between two steps of a document."""

import os
import random
import signal

import pytest

from tests.fakes.faults import Boundary, before, boundaries, steps
from tests.fakes.patient import eventually
from tests.fakes.trial import Trial, archive, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1800)]
SOAK = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6)]


def reached(trial: Trial, chance: random.Random) -> set[Boundary]:
    """Find where documents of each kind pass time and again: not where the first of all makes the collection."""
    trial.upload(notes(chance, 1))
    trial.close()
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
        trial.upload([*notes(chance, 2), archive(chance)])
        eventually(lambda: trial.is_drained() or not trial.faults.armed("kill"), 900)
    trial.close()
    assert trial.faults.struck("kill") == len(set(places))


@pytest.mark.parametrize("seed", [0, *SOAK])
def test_a_worker_is_killed_at_every_boundary_between_two_steps(trial: Trial, chance: random.Random, seed: int) -> None:
    passed = reached(trial, chance)
    assert len(steps()) > 5
    assert set(steps()) <= passed, "a step that no document takes cannot be killed"
    inside = sorted(passed - set(steps()))
    killed_at(trial, [*steps(), *chance.sample(inside, 4)], chance)


@pytest.mark.parametrize("step", ["_write_vectors", "conclude"])
def test_a_task_that_outlives_its_lease_writes_nothing_any_more(trial: Trial, chance: random.Random, step: str) -> None:
    """Another worker has done its document by the time it goes on."""
    trial.faults.arm("linger", before(step))
    with trial.another_worker():
        (document,) = trial.upload(notes(chance, 1))
        eventually(lambda: trial.faults.struck("linger"))
        eventually(trial.is_drained)
        assert trial.states([document]) == {"ready"}
        done = trial.indexing(document)
        assert done.fence > 2
        trial.faults.release()
        eventually(lambda: trial.said("a claim was lost", str(done.id)))
        trial.close()
    late = trial.indexing(document)
    assert (late.fence, late.finished_at) == (done.fence, done.finished_at)


def test_a_worker_that_is_told_to_stop_finishes_what_it_has_in_hand(trial: Trial, chance: random.Random) -> None:
    trial.faults.hold(before("_write_vectors"))
    documents = trial.upload(notes(chance, 6))
    eventually(lambda: trial.faults.held() == trial.at_once)
    pid = trial.running.supervisor.pid("worker")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: trial.said("Warm shutdown"))
    trial.faults.release()
    eventually(lambda: trial.running.supervisor.pid("worker") not in (None, pid))
    trial.close()
    assert trial.states(documents) == {"ready"}
    assert all(trial.indexing(document).fence == 1 for document in documents)  # nobody did it again


@pytest.mark.soak
def test_a_worker_is_killed_before_every_statement_that_is_reached(trial: Trial, chance: random.Random) -> None:
    passed = reached(trial, chance)
    assert passed <= set(boundaries())
    killed_at(trial, sorted(passed), chance)
