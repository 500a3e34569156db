import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fakes.followed import Followed
from tests.fakes.postgres import postgres, postgres_url
from tests.fakes.workshop import Workshop

__all__ = ["postgres", "postgres_url", "shop"]


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """A workshop as on one machine, on SQLite and a folder, and one as on many, on PostgreSQL and objects."""
    many = request.param == "postgresql"
    url = request.getfixturevalue("postgres_url") if many else ""
    blobs = f"memory://{uuid4().hex}" if many else ""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        made = Workshop(tmp_path, url, blobs)
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
