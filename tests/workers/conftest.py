import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.followed import Followed
from tests.fakes.postgres import postgres, postgres_url
from tests.fakes.workshop import Workshop

__all__ = ["postgres", "postgres_url", "shop"]


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """A workshop on each kind of catalog."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        made = Workshop(tmp_path, url)
        yield made
        made.close()


@pytest.fixture
def wiki(shop: Workshop, tmp_path: Path) -> Followed:
    folder = tmp_path / "source"
    folder.mkdir()
    return Followed(shop, folder)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Followed]:
    """A source over SQLite alone, where the kind of catalog makes no difference."""
    (tmp_path / "source").mkdir()
    shop = Workshop(tmp_path)
    yield Followed(shop, tmp_path / "source")
    shop.close()
