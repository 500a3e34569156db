"""On a real Valkey, upkeep goes before uploads, uploads before a bulk load, and that before a reindex."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from kombu.exceptions import OperationalError

from cli.embedded import valkey_program
from moat import jobs
from moat.settings import Settings


@pytest.fixture
def broker_url() -> Iterator[str]:
    with TemporaryDirectory(prefix="moat-") as folder:  # short: a socket's path may have 103 characters
        path = Path(folder) / "valkey.sock"
        argv = [str(valkey_program()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder]
        server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            yield f"redis+socket://{path}?virtual_host=0"
        finally:
            server.kill()
            server.wait()


def test_messages_are_taken_by_the_worth_of_their_queues(broker_url: str, tmp_path: Path) -> None:
    app = jobs.celery_app(Settings(home=tmp_path, broker={"url": broker_url}))
    deadline = time.monotonic() + 20
    for queue in [jobs.REINDEX, jobs.BULK, jobs.INGEST, jobs.UPKEEP] * 3:
        while True:
            try:
                app.send_task(jobs.TIDY_DOCUMENT, args=[str(uuid4())], queue=queue, retry=False)
                break
            except OperationalError:  # it is still starting
                assert time.monotonic() < deadline
                time.sleep(0.05)
    taken: list[str] = []
    with app.connection_for_read() as connection:
        names = [jobs.UPKEEP, jobs.INGEST, jobs.BULK, jobs.REINDEX]  # as the worker's composition root has them
        with app.amqp.TaskConsumer(connection, queues=[app.amqp.queues[name] for name in names]) as consumer:
            consumer.qos(prefetch_count=1)

            def take(body: object, message: object) -> None:
                taken.append(message.delivery_info["routing_key"])  # type: ignore[attr-defined]
                message.ack()  # type: ignore[attr-defined]

            consumer.callbacks = [take]
            while len(taken) < 12:
                connection.drain_events(timeout=10)
    assert taken == [jobs.UPKEEP] * 3 + [jobs.INGEST] * 3 + [jobs.BULK] * 3 + [jobs.REINDEX] * 3
