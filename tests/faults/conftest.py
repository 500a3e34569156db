"""One platform for all faults: each test leaves it as it must be left, or fails."""

import random
from collections.abc import Iterator

import pytest

from tests.fakes.trial import Trial, on_trial


@pytest.fixture(scope="package")
def platform_on_trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with on_trial(tmp_path_factory.mktemp("trial")) as trial:
        yield trial


@pytest.fixture
def trial(platform_on_trial: Trial) -> Iterator[Trial]:
    """The platform without any fault; what a failed test armed is taken back."""
    platform_on_trial.faults.clear()
    yield platform_on_trial
    platform_on_trial.faults.clear()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance of each test's own, the same in every run: what two tests upload must differ."""
    return random.Random(request.node.nodeid)
