"""The catalog's engine, its transactions and its schema."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from moat.audit import append_noted
from moat.errors import InvalidRequest, StorageFull, Unavailable
from moat.settings import Settings
from moat.tables import utc_now

BUSY_TIMEOUT_S = 10
_SYNCHRONOUS = "moat_synchronous"  # what a connection of SQLite was last told, in its notes
_DISK_FULL = ("database or disk is full", "No space left on device")


class Database:
    """One engine; `transaction()` writes, `reading()` only reads."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = url
        self.engine = _engine(url, pool_size)
        self._writer = self.engine.execution_options(moat_writes=True)
        self._hasty_writer = self.engine.execution_options(moat_writes=True, moat_hasty=True)
        # SQLite's own waiting for its one writer is a sleep of up to 100 ms at a time; here who is next goes at once.
        self._turn = threading.Lock() if self.is_sqlite else None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Database":
        return cls(settings.database_url, settings.database.pool_size)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self, *, hasty: bool = False) -> Iterator[Session]:
        """Write: commits at the end, rolls back on any error; no network is waited for inside but a bucket's.

        What is `hasty` does not wait for the disk: a crash of the process loses none of it, one of the machine may lose
        the last moment's. It is for what is put right afterwards, such as a call's end.
        """
        writer = self._hasty_writer if hasty else self._writer
        with _translated(), self._in_turn(), Session(writer, expire_on_commit=False) as session, session.begin():
            if hasty and not self.is_sqlite:
                session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session
            append_noted(session)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
        elif self._turn.acquire(timeout=BUSY_TIMEOUT_S):
            try:
                yield
            finally:
                self._turn.release()
        else:
            raise Unavailable("The catalog has been busy for too long.")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read one consistent state."""
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    def lock(self, session: Session, name: str, *, shared: bool = False) -> None:
        """Hold `name` until this transaction ends, alone or with others; SQLite's only writer holds every name."""
        if not self.is_sqlite:
            number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            hold = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
            session.execute(select(hold(number)))

    def compact(self, vacuum_up_to_bytes: int) -> dict[str, bool]:
        """Take what was deleted off the disk; says what was done, which PostgreSQL does in its own time.

        SQLite overwrites what is deleted, but may leave a copy of a row that it had moved to another page: only a
        rewrite of the file is sure to have none. The log beside it holds what was written until it is cut.
        """
        if not self.is_sqlite:
            return {}
        with _translated(), self.engine.connect() as connection, _raw_errors():
            raw: Any = connection.connection.dbapi_connection  # outside of any transaction
            pages, size = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            rewrites = pages * size <= vacuum_up_to_bytes
            if rewrites:
                raw.execute("VACUUM")
            busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return {"catalog_rewritten": rewrites, "catalog_log_cut": not busy}

    def migrate(self) -> None:
        """Bring the schema to this version's."""
        with self.engine.begin() as connection:
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def revision(self) -> tuple[str | None, str | None]:
        """Tell the schema's revision and the one this version wants."""
        with _translated(), self.engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        return present, ScriptDirectory.from_config(_alembic()).get_current_head()

    def close(self) -> None:
        self.engine.dispose()


def catalog_now(session: Session) -> datetime:
    """Tell the time by the clock that all processes share: a lease must not depend on how one machine's is set."""
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()  # SQLite's processes run on one machine
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _engine(url: str, pool_size: int) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text goes to the log, where no question and no key belongs
        )
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=pool_size,
        max_overflow=40,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event below opens transactions itself
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("moat_writes"):
        connection.exec_driver_sql("BEGIN")
        return
    synchronous = "NORMAL" if options.get("moat_hasty") else "FULL"
    if connection.info.get(_SYNCHRONOUS) != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info[_SYNCHRONOUS] = synchronous
    # A deferred transaction that reads and then writes fails with "database is locked" without waiting.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _raw_errors() -> Iterator[None]:
    """Give the driver's own error the form that SQLAlchemy gives it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OperationalError(None, None, error) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        text = str(error.orig)
        if any(phrase in text for phrase in _DISK_FULL):
            raise StorageFull("The catalog's disk is full.") from error
        raise Unavailable("The catalog does not answer.", inside=text) from error
    except PoolTimeout as error:
        raise Unavailable("Every connection to the catalog is in use.") from error
    except DataError as error:  # such as a null character, which PostgreSQL does not store
        raise InvalidRequest(
            f"The catalog cannot hold this: {error.orig}", "Correct the value and send it again."
        ) from error


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
