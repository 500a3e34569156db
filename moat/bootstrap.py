"""What a new installation needs before anybody can use it: a schema, a first key, a first corpus."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from moat.access import SCOPES, create_key
from moat.corpora import create_corpus
from moat.database import Database
from moat.pipeline_settings import PipelineSettings
from moat.private import write_private
from moat.records import EVERYONE
from moat.settings import Settings
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
