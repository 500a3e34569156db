"""A local server that speaks S3's protocol, in a process of its own: `python -m tests.fakes.s3` serves one."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
STOP_S = 10.0


def environment(endpoint: str) -> dict[str, str]:
    """What a process is told to find the server, as AWS' own tools are."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def s3_process() -> Iterator[str]:
    """Serve an S3 without buckets until the block ends; gives its address."""
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.s3"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{_port_when_ready(process, Path(log.name))}"
        finally:
            process.terminate()
            process.wait(STOP_S)


def make_bucket(endpoint: str) -> str:
    """Make a bucket of a new name."""
    name = f"moat-{uuid4().hex}"
    urlopen(Request(f"{endpoint}/{name}", method="PUT"), timeout=30).close()
    return name


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Give the address of a running server."""
    with s3_process() as endpoint:
        yield endpoint


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of an empty bucket that this process is told how to reach."""
    set_environment(monkeypatch, environment(s3_endpoint))
    return make_bucket(s3_endpoint)


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def _port_when_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        said = log.read_text()
        if ready := re.search(r"Running on http://127\.0\.0\.1:(\d+)", said):
            return int(ready[1])
        assert process.poll() is None, f"the S3 server ended with {process.returncode}: {said}"
        time.sleep(0.02)
    raise AssertionError(f"the S3 server was not ready after {START_S} s: {log.read_text()}")


def main() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)


if __name__ == "__main__":
    main()
