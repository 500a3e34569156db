"""What a new installation needs before anybody can use it: a schema, a first key, a first corpus."""

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from moat.access import SCOPES, create_key
from moat.corpora import create_corpus
from moat.database import Database
from moat.records import EVERYONE
from moat.settings import PipelineSettings, Settings
from moat.tables import ApiKey, Corpus

DEFAULT_CORPUS = "default"


def bootstrap(
    database: Database,
    settings: Settings,
    fingerprint: Callable[[PipelineSettings], str],
    *,
    key_file: Path | None = None,
) -> str | None:
    """Bring the schema up to date and return the first admin key when it had to be made; safe to run again.

    The key is written to `key_file` (mode 0600) before it becomes valid, so that a crash never loses the only one.
    """
    database.migrate()
    first_key = None
    with database.transaction() as session:
        if session.scalar(select(ApiKey.id).limit(1)) is None:
            _, first_key = create_key(session, name="first admin", user="admin", scopes=SCOPES)
            if key_file is not None:
                write_private(key_file, first_key + "\n")
        if session.scalar(select(Corpus.id).limit(1)) is None:
            pipeline = PipelineSettings(embedder=settings.embedder.default)
            create_corpus(session, DEFAULT_CORPUS, [EVERYONE], pipeline, fingerprint(pipeline))
    return first_key


def write_private(path: Path, text: str) -> None:
    """Put a file in place that only its owner may read, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
