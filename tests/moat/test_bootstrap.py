"""What a first start leaves behind, and what a second one leaves alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from moat.access import authenticate, readable_corpora
from moat.bootstrap import DEFAULT_CORPUS, bootstrap
from moat.corpora import create_corpus
from moat.database import Database
from moat.errors import Conflict
from moat.pipeline_settings import PipelineSettings
from moat.private import write_private
from moat.settings import Settings
from moat.tables import ApiKey, Corpus, Generation


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database.from_settings(settings)
    yield opened
    opened.close()


def fingerprint(pipeline: PipelineSettings) -> str:
    return f"made by {pipeline.embedder}"


def test_a_first_start_makes_one_key_and_one_corpus_that_serves(settings, database):
    key = bootstrap(database, settings, fingerprint)
    assert key is not None
    with database.reading() as session:
        reader = authenticate(session, key)
        (corpus,) = readable_corpora(session, reader)
        generation = session.get(Generation, corpus.serving_generation)
    assert reader.is_admin
    assert corpus.name == DEFAULT_CORPUS
    assert generation is not None
    assert (generation.state, generation.fingerprint) == ("serving", "made by all-MiniLM-L6-v2")
    assert generation.collection == f"moat_{generation.id.hex}"


def test_a_second_start_changes_nothing(settings, database):
    bootstrap(database, settings, fingerprint)
    assert bootstrap(database, settings, fingerprint) is None
    with database.reading() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (ApiKey, Corpus, Generation)]
    assert counts == [1, 1, 1]


def test_the_key_is_on_disk_before_it_counts(settings, database, tmp_path):
    in_the_way = tmp_path / "folder"
    (in_the_way / "admin.key" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match=r"directory"):
        bootstrap(database, settings, fingerprint, key_file=in_the_way / "admin.key")
    key = bootstrap(database, settings, fingerprint, key_file=tmp_path / "admin.key")
    assert (tmp_path / "admin.key").read_text() == f"{key}\n"
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600


def test_a_private_file_is_private_even_where_a_public_one_stood(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_two_corpora_never_share_a_name_or_a_collection(settings, database):
    bootstrap(database, settings, fingerprint)
    with database.transaction() as session:
        create_corpus(session, "second", ["staff"], PipelineSettings())
    with pytest.raises(Conflict, match="second"), database.transaction() as session:
        create_corpus(session, "second", ["staff"], PipelineSettings())
    with database.reading() as session:
        collections = session.scalars(select(Generation.collection)).all()
    assert len(set(collections)) == 2
