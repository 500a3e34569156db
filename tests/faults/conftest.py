"""One platform for all faults: each test leaves it as it must be left, or fails."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.postgres import empty_database, postgres
from tests.fakes.trial import Trial, on_trial

__all__ = ["postgres"]


@pytest.fixture(scope="package", params=["embedded", pytest.param("distributed", marks=pytest.mark.soak)])
def platform_on_trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """The embedded platform, or one on PostgreSQL with two workers."""
    with ExitStack() as stack:
        if request.param == "distributed":
            url = stack.enter_context(empty_database(request.getfixturevalue("postgres")))
            stack.enter_context(pytest.MonkeyPatch.context()).setenv("MOAT_DATABASE__URL", url)
        trial = stack.enter_context(on_trial(tmp_path_factory.mktemp("trial")))
        if request.param == "distributed":
            stack.enter_context(trial.another_worker())
        yield trial


@pytest.fixture
def trial(platform_on_trial: Trial) -> Iterator[Trial]:
    """The platform without any fault; what a failed test armed is taken back."""
    platform_on_trial.faults.clear()
    yield platform_on_trial
    platform_on_trial.faults.clear()
    platform_on_trial.doors.open_all()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance of each test's own, the same in every run: what two tests upload must differ."""
    return random.Random(request.node.nodeid)
