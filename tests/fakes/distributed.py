"""What many machines share, each in a process of its own: PostgreSQL is the caller's, the rest runs here."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from cli.embedded import valkey_program
from cli.ports import answers, free_port
from tests.fakes import s3
from tests.fakes.edge_process import edge_process

PASSWORD = "a-password-for-tests"
START_S = 30.0
STOP_S = 10.0


@contextmanager
def shared_backends(folder: Path, postgres_url: str, s3_endpoint: str) -> Iterator[dict[str, str]]:
    """Run broker and vectors until the block ends; gives the variables that tell a process where all the stores are."""
    with valkey_process(folder) as broker_url, edge_process() as edge:
        yield {
            "MOAT_DATABASE__URL": make_url(postgres_url).render_as_string(hide_password=False),
            "MOAT_BROKER__URL": broker_url,
            **edge.environment,
            "MOAT_BLOBS": f"s3://{s3.make_bucket(s3_endpoint)}/moat",
            **s3.environment(s3_endpoint),
        }


@contextmanager
def valkey_process(folder: Path) -> Iterator[str]:
    """Serve a broker on a port of its own until the block ends; gives its URL."""
    port = free_port()
    configuration = folder / "valkey.conf"
    configuration.write_text(
        f'port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave ""\nappendonly no\ndir "{folder}"\n'
    )
    process = subprocess.Popen([str(valkey_program()), str(configuration)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while not answers("127.0.0.1", port):
            assert process.poll() is None, f"the broker ended with {process.returncode}"
            assert time.monotonic() < deadline, "the broker did not start"
            time.sleep(0.02)
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(STOP_S)
