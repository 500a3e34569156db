"""Why the embedded Qdrant may say no, and the check that nothing asked for is silently ignored."""

from typing import Any, ClassVar

from moat.errors import MoatError


class Unsupported(MoatError):
    """The request is outside the part of Qdrant's API that the embedded server speaks."""

    status = 501
    title = "The embedded Qdrant does not serve this"
    default_hint = "Set MOAT_QDRANT__URL to a Qdrant server, which serves all of it."


class EngineFailed(MoatError):
    """Qdrant Edge could not do what it was asked; its own words are the detail."""

    retryable = True
    title = "The vector engine failed"
    default_hint = "Look for a full disk or lost permissions on the vectors' folder, then try again."


class CannotOpen(MoatError):
    """The folder of vectors cannot be served by this process; `exit_code` tells the supervisor why."""

    exit_code: ClassVar[int] = 70  # EX_SOFTWARE


class EngineMismatch(CannotOpen):
    """The folder was written by another version of the engine, or can no longer be read."""

    exit_code = 65  # EX_DATAERR
    title = "The stored vectors belong to another engine"
    default_hint = "Start with --reset for an empty folder, then rebuild the index from the catalog and the blobs."


class FolderTaken(CannotOpen):
    """Another process serves this folder."""

    exit_code = 75  # EX_TEMPFAIL
    title = "The folder of vectors is in use"
    default_hint = "Stop the other process first, or give this one a home of its own."


class PortTaken(CannotOpen):
    """The port on loopback cannot be bound."""

    exit_code = 69  # EX_UNAVAILABLE
    title = "The port is in use"
    default_hint = "Choose another port."


# They ask for nothing on one machine with one shard: every write waits, every read is consistent.
HARMLESS = frozenset({"wait", "ordering", "timeout", "read_consistency"})


def only(message: Any, *served: str) -> None:
    """Refuse a protobuf message in which any field beyond `served` is set, naming the field."""
    for field, _ in message.ListFields():
        if field.name not in served and field.name not in HARMLESS:
            raise Unsupported(f"{message.DESCRIPTOR.name}.{field.name} is not served by the embedded Qdrant.")
