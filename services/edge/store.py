"""The open folder: one Edge shard a collection, owned by this process alone."""

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Lock, RLock
from typing import TextIO
from uuid import uuid4

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import InvalidRequest, NotFound, Unavailable
from services.edge import catalog as catalogs
from services.edge.catalog import Catalog, Entry
from services.edge.refusal import EngineFailed, EngineMismatch, FolderTaken
from services.edge.scrub import scrub
from services.edge.shapes import edge_config

log = logging.getLogger("moat.edge")

ENGINE = f"qdrant-edge-py {version('qdrant-edge-py')}"


@dataclass
class Held:
    """A collection in memory; its lock keeps a shard from being closed under a running call."""

    shard: edge.EdgeShard
    params: pb.CollectionParams
    lock: Lock = field(default_factory=Lock)
    changed: bool = False
    closed: bool = False


class Store:
    """Collections and aliases of one folder; every change is on disk before the call returns."""

    def __init__(self, folder: Path, reset: bool = False) -> None:
        """Own the folder and open what it holds. Raises FolderTaken, or EngineMismatch for another engine's data."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._owner = _own(folder)
        self._changing = RLock()
        self._held: dict[str, Held] = {}
        self._closing = False
        try:
            if reset:
                _empty(folder)
            self._catalog = catalogs.load(folder, ENGINE)
            catalogs.save(self._catalog, folder)  # the first start records the engine before any data
            _sweep(folder, self._catalog)
            for name, entry in self._catalog.collections.items():
                self._held[name] = Held(_load(folder / entry.folder, name, entry.params), entry.params)
        except BaseException:
            self.close()
            raise

    def catalog(self) -> Catalog:
        """Show the collections and aliases as they are now."""
        return self._catalog

    def change_aliases(self, changed: Catalog) -> None:
        """Put changed aliases in force, all at once."""
        catalogs.save(changed, self._folder)
        self._catalog = changed

    @contextmanager
    def changing(self) -> Iterator[Catalog]:
        """Hold off other changes of collections and aliases, and show what is there."""
        with self._changing:
            if self._closing:
                raise Unavailable("The embedded Qdrant is stopping.")
            yield self._catalog

    def create(self, name: str, params: pb.CollectionParams) -> None:
        """Make an empty collection."""
        with self.changing() as present:
            entry = Entry(f"shard-{uuid4().hex}", params)
            changed = present.with_collection(name, entry)
            config = edge_config(params)
            with engine_errors():
                shard = edge.EdgeShard.create(str(self._folder / entry.folder), config)
            catalogs.save(changed, self._folder)  # a crash before this leaves a folder that the next start sweeps
            self._catalog = changed
            self._held[name] = Held(shard, params)

    def delete(self, name: str) -> bool:
        """Drop a collection with its points and aliases; tell whether there was one."""
        with self.changing() as present:
            entry = present.collections.get(name)
            if entry is None:
                return False
            changed = present.without_collection(name)
            catalogs.save(changed, self._folder)
            self._catalog = changed
            held = self._held.pop(name)
        with held.lock:
            held.closed = True
            held.shard.close()
        shutil.rmtree(self._folder / entry.folder)
        return True

    @contextmanager
    def using(self, name: str, changes: bool = False) -> Iterator[Held]:
        """Lend the collection behind a name or alias, alone, for as short as possible. Raises NotFound."""
        while True:
            held = self._find(name)
            with held.lock, engine_errors():
                # The alias may have moved on and the collection been dropped while this call waited: look again.
                if not held.closed:
                    held.changed = held.changed or changes
                    yield held
                    return

    def _find(self, name: str) -> Held:
        with self.changing() as present:
            return self._held[present.resolve(name)]

    def tidy(self) -> None:
        """Flush what changed since the last time and vacuum deleted points, one collection after another."""
        for held in list(self._held.values()):
            with held.lock, engine_errors():
                if held.changed and not held.closed:
                    held.shard.optimize()
                    held.shard.flush()
                    held.changed = False

    def scrub(self, name: str) -> None:
        """Take the bytes of what was deleted from a collection off the disk."""
        with self.changing() as present:
            folder = self._folder / present.collections[present.resolve(name)].folder
        with self.using(name) as held:
            held.shard = scrub(held.shard, folder, held.params)

    def close(self) -> None:
        """Flush and close every shard and give the folder up. A call that never ends is left to the write-ahead log."""
        with self._changing:
            self._closing = True
        for name, held in self._held.items():
            if not held.lock.acquire(timeout=0.5):
                log.warning("collection %s is still busy: its last writes wait in the write-ahead log", name)
                continue
            try:
                held.closed = True
                held.shard.close()
            finally:
                held.lock.release()
        self._owner.close()


@contextmanager
def engine_errors() -> Iterator[None]:
    """Translate Edge's errors, which are all plain exceptions with a sentence, by their first words."""
    try:
        yield
    except ValueError as refused:
        raise InvalidRequest(str(refused)) from refused
    except Exception as failed:
        if type(failed) is not Exception:
            raise
        if str(failed).startswith("Service runtime error"):
            raise EngineFailed(str(failed)) from failed
        if str(failed).startswith("No point with id"):
            raise NotFound(str(failed)) from failed
        raise InvalidRequest(str(failed)) from failed


def _own(folder: Path) -> TextIO:
    owner = (folder / "owner.lock").open("a")
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner.close()
        raise FolderTaken(f"Another process serves {folder}.") from None
    return owner


def _empty(folder: Path) -> None:
    # The catalog goes first: shards without one are swept, a catalog without its shards could not be opened.
    (folder / catalogs.FILE).unlink(missing_ok=True)
    catalogs.sync_folder(folder)
    for shard in folder.glob("shard-*"):
        shutil.rmtree(shard)


def _sweep(folder: Path, catalog: Catalog) -> None:
    kept = {entry.folder for entry in catalog.collections.values()}
    for shard in folder.glob("shard-*"):
        if shard.name not in kept:
            shutil.rmtree(shard)


def _load(folder: Path, name: str, params: pb.CollectionParams) -> edge.EdgeShard:
    try:
        return edge.EdgeShard.load(str(folder), edge_config(params))
    except Exception as broken:
        raise EngineMismatch(f"The collection {name} cannot be opened: {broken}.") from broken
