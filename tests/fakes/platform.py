"""The real platform in processes of its own, for tests that need the whole of it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from cli.process import ProcessSpec
from cli.supervisor import Backoff
from cli.up import Platform, load_settings, platform

READY_S = 90.0
# Two workers as on two machines: each with queues of its own, a name of its own, and a home that nobody else sees.
WORKERS = {
    "worker": {"MOAT_WORKER__QUEUES": '["upkeep", "ingest"]', "MOAT_WORKER__BEAT": "true"},
    "worker-bulk": {"MOAT_WORKER__QUEUES": '["bulk", "reindex"]', "MOAT_WORKER__BEAT": "false"},
}


def editing(
    worker_argv: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> Callable[[list[ProcessSpec]], list[ProcessSpec]]:
    """Give the worker another program, and every process some more environment."""

    def edit(specs: list[ProcessSpec]) -> list[ProcessSpec]:
        changed = [replace(spec, environment={**spec.environment, **(environment or {})}) for spec in specs]
        if worker_argv is None:
            return changed
        return [replace(spec, argv=tuple(worker_argv)) if spec.name in WORKERS else spec for spec in changed]

    return edit


@contextmanager
def running_platform(
    home: Path,
    *,
    worker_argv: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    backends: Mapping[str, str] | None = None,
) -> Iterator[Platform]:
    """Run everything on a free port until the block ends; it is ready when the block begins.

    With `backends`, the variables that name stores elsewhere, API and two workers run on those, as on three machines.
    """
    change = editing(worker_argv, environment)

    def edit(specs: list[ProcessSpec]) -> list[ProcessSpec]:
        return change(_two_workers(specs, home) if backends else specs)

    with (
        patch.dict(os.environ, backends or {}),
        platform(load_settings(home, 0), edit=edit, backoff=Backoff(first_s=0.1, most_s=1)) as running,
    ):
        running.supervisor.wait_ready(READY_S)
        yield running


def _two_workers(specs: list[ProcessSpec], home: Path) -> list[ProcessSpec]:
    one, *others = sorted(specs, key=lambda spec: spec.name != "worker")
    return [_on_its_own(one, name, home.with_name(f"{home.name}-{name}")) for name in WORKERS] + others


def _on_its_own(worker: ProcessSpec, name: str, home: Path) -> ProcessSpec:
    ready = home / "run" / "worker.ready"
    told = {**WORKERS[name], "MOAT_WORKER__NAME": name, "MOAT_HOME": str(home)}
    return replace(
        worker,
        name=name,
        log=worker.log.with_name(f"{name}.log"),
        environment={**worker.environment, **told},
        ready=ready.exists,
        prepare=lambda: ready.unlink(missing_ok=True),
    )


@contextmanager
def running_stores(home: Path) -> Iterator[Platform]:
    """Run the broker and the vectors alone."""

    def stores(specs: list[ProcessSpec]) -> list[ProcessSpec]:
        return [spec for spec in specs if spec.name in ("valkey", "edge")]

    with platform(load_settings(home, 0), edit=stores, backoff=Backoff(first_s=0.1, most_s=1)) as running:
        running.supervisor.wait_ready(READY_S)
        yield running
