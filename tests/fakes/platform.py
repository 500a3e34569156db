"""The real platform in processes of its own, for tests that need the whole of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cli.process import ProcessSpec
from cli.supervisor import Backoff
from cli.up import Platform, load_settings, platform

READY_S = 90.0


def editing(
    worker_argv: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> Callable[[list[ProcessSpec]], list[ProcessSpec]]:
    """Give the worker another program, and every process some more environment."""

    def edit(specs: list[ProcessSpec]) -> list[ProcessSpec]:
        changed = [replace(spec, environment={**spec.environment, **(environment or {})}) for spec in specs]
        if worker_argv is None:
            return changed
        return [replace(spec, argv=tuple(worker_argv)) if spec.name == "worker" else spec for spec in changed]

    return edit


@contextmanager
def running_platform(
    home: Path, *, worker_argv: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Platform]:
    """Run everything on a free port until the block ends; it is ready when the block begins."""
    backoff = Backoff(first_s=0.1, most_s=1)
    with platform(load_settings(home, 0), edit=editing(worker_argv, environment), backoff=backoff) as running:
        running.supervisor.wait_ready(READY_S)
        yield running


@contextmanager
def running_stores(home: Path) -> Iterator[Platform]:
    """Run the broker and the vectors alone."""

    def stores(specs: list[ProcessSpec]) -> list[ProcessSpec]:
        return [spec for spec in specs if spec.name in ("valkey", "edge")]

    with platform(load_settings(home, 0), edit=stores, backoff=Backoff(first_s=0.1, most_s=1)) as running:
        running.supervisor.wait_ready(READY_S)
        yield running
