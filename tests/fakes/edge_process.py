"""Starts the embedded Qdrant as a process of its own, as `moat up` does, on a free port."""

import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qdrant_client import QdrantClient

ROOT = Path(__file__).resolve().parents[2]
API_KEY = "a-key-for-tests"
# gRPC waits up to two minutes between attempts to reach a server that went away, unless told otherwise.
RECONNECT_AT_ONCE = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
}
START_S = 30.0
STOP_S = 10.0


@dataclass(frozen=True)
class EdgeProcess:
    """A running server: `url` and `grpc_port` go to QdrantClient, together with `api_key` and `prefer_grpc=True`."""

    home: Path
    grpc_port: int
    api_key: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.grpc_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables that tell a process of Moat where it is."""
        return {
            "MOAT_QDRANT__URL": self.url,
            "MOAT_QDRANT__GRPC_PORT": str(self.grpc_port),
            "MOAT_QDRANT__API_KEY": self.api_key,
        }

    def client(self) -> QdrantClient:
        """Connect the real client."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            return QdrantClient(
                url=self.url,
                api_key=self.api_key,
                prefer_grpc=True,
                grpc_port=self.grpc_port,
                check_compatibility=False,
                timeout=30,
                grpc_options=dict(RECONNECT_AT_ONCE),  # the client writes into it
            )

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait(STOP_S)


@contextmanager
def edge_process(home: Path | None = None, *arguments: str, port: int = 0) -> Iterator[EdgeProcess]:
    """Serve `home` (or a temporary folder) on `port` (0: a free one) until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        home = home or Path(folder)
        with tempfile.NamedTemporaryFile() as log:
            process = launch(home, Path(log.name), *arguments, port=port)
            try:
                yield EdgeProcess(home, _port_when_ready(process, Path(log.name)), API_KEY, process)
            finally:
                process.terminate()
                process.wait(STOP_S)


def launch(home: Path, log: Path, *arguments: str, port: int = 0, api_key: str = API_KEY) -> subprocess.Popen[bytes]:
    """Start the server's process without waiting; what it says goes to `log`."""
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "services.edge", "--home", str(home), "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, "MOAT_QDRANT__API_KEY": api_key},
            stderr=said,
        )


def _port_when_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        said = log.read_text()
        if ready := re.search(r"ready on 127\.0\.0\.1:(\d+)", said):
            return int(ready[1])
        if process.poll() is not None:
            raise AssertionError(f"the embedded Qdrant ended with {process.returncode}: {said}")
        time.sleep(0.02)
    raise AssertionError(f"the embedded Qdrant was not ready after {START_S} s: {log.read_text()}")
