"""Clocks that are an hour off: nothing is lost, put off by the hour, or done by two at once."""

import random

import pytest

from tests.fakes.faults import before
from tests.fakes.patient import eventually
from tests.fakes.trial import Trial, notes

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]
HOUR_S = 3600
# One process alone, as two containers may be, and both, as when the machine's clock is set.
OFF = [
    {"worker": -HOUR_S},
    {"worker": HOUR_S, "api": HOUR_S},
    *(
        pytest.param(off, marks=pytest.mark.soak)
        for off in ({"worker": HOUR_S}, {"api": HOUR_S}, {"api": -HOUR_S}, {"worker": -HOUR_S, "api": -HOUR_S})
    ),
]


@pytest.mark.parametrize("off", OFF, ids=lambda off: "-".join(f"{name}{s // HOUR_S:+}h" for name, s in off.items()))
def test_a_clock_is_set_an_hour_off_with_work_in_hand_and_set_right_again(
    trial: Trial, chance: random.Random, off: dict[str, int]
) -> None:
    trial.faults.hold(before("_write_vectors"))
    documents = trial.upload(notes(chance, 5))
    eventually(lambda: trial.faults.held() == trial.at_once)
    for name, seconds in off.items():
        trial.faults.put(f"clock-{name}", seconds)
    documents += trial.upload(notes(chance, 3))
    trial.delete(documents.pop(chance.randrange(len(documents))))
    trial.faults.release()
    trial.close()
    assert trial.states(documents) == {"ready"}

    trial.faults.hold(before("conclude"))
    documents += trial.upload(notes(chance, 6))
    eventually(lambda: trial.faults.held() == trial.at_once)
    for name in off:
        trial.faults.drop(f"clock-{name}")
    trial.faults.release()
    trial.close()
    assert trial.states(documents) == {"ready"}
    # A lease may run out in the leap, once each way; then the fence lets one writer through.
    assert all(trial.indexing(document).fence <= 5 for document in documents)
