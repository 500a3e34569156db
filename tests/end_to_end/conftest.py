from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.fakes.distributed import shared_backends
from tests.fakes.postgres import postgres, postgres_url
from tests.fakes.s3 import s3_endpoint

__all__ = ["backends", "distributed", "postgres", "postgres_url", "s3_endpoint"]


@pytest.fixture
def distributed(tmp_path: Path, postgres_url: str, s3_endpoint: str) -> Iterator[Mapping[str, str]]:
    """Give the variables that name PostgreSQL, Valkey, Qdrant and a bucket, each run by a process of its own."""
    with shared_backends(tmp_path, postgres_url, s3_endpoint) as variables:
        yield variables


@pytest.fixture(params=["embedded", pytest.param("distributed", marks=pytest.mark.soak)])
def backends(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """Run a test on one machine with its home alone, and (in `make soak`) on stores elsewhere with two workers."""
    if request.param == "embedded":
        return {}
    found: Mapping[str, str] = request.getfixturevalue("distributed")
    return found
