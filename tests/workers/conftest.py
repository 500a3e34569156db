import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        made = Workshop(tmp_path)
        yield made
        made.close()
