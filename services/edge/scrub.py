"""Take deleted points' bytes off the disk: out of the segments, and out of the write-ahead log."""

from pathlib import Path

import qdrant_edge as edge
from qdrant_client import grpc as pb

from services.edge.refusal import EngineFailed
from services.edge.shapes import edge_config
from services.edge.wire import Id

# Ids that nobody has: chunks are named by UUIDs. Deleting them changes nothing and fills the log.
_NOBODYS: list[Id] = [2**62 + number for number in range(200_000)]
# A segment of the log holds 32 MiB, about 15 such deletions.
_FILLS_AT_MOST = 64
# The engine keeps one full segment of the log beside the open one.
_SEGMENTS = 2


def scrub(shard: edge.EdgeShard, folder: Path, params: pb.CollectionParams) -> edge.EdgeShard:
    """Rewrite a shard without what was deleted from it, and give it back opened anew."""
    shard.close()
    # Any deletion is worth a rewrite now; the thresholds are only read when a shard is opened.
    eager = edge.EdgeShard.load(str(folder), edge_config(params, vacuum_all=True))
    try:
        eager.optimize()
        eager.flush()
        for _ in range(_SEGMENTS):
            _turn_over(eager, folder / "wal")
    finally:
        eager.close()
    return edge.EdgeShard.load(str(folder), edge_config(params))


def _turn_over(shard: edge.EdgeShard, log: Path) -> None:
    """Fill the log's open segment; the engine drops a full one once what it says is flushed and another one is full."""
    before = _full(log)
    for _ in range(_FILLS_AT_MOST):
        shard.update(edge.UpdateOperation.delete_points(_NOBODYS))
        if _full(log) - before:
            shard.flush()
            return
    raise EngineFailed("The engine's write-ahead log does not end its segments as this version of it should.")


def _full(log: Path) -> set[str]:
    return {path.name for path in log.glob("closed-*")}
