"""Corpora and the first generation that every one of them has."""

from collections.abc import Iterable
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.access import check_principals
from moat.errors import Conflict
from moat.pipeline_settings import PipelineSettings
from moat.tables import Corpus, CorpusAccess, Generation


def create_corpus(
    session: Session, name: str, access: Iterable[str], pipeline: PipelineSettings, fingerprint: str = ""
) -> Corpus:
    """Add an empty corpus with its serving generation, or raise Conflict when the name is taken."""
    if session.scalar(select(Corpus.id).where(Corpus.name == name)) is not None:
        raise Conflict(f"There is a corpus {name!r} already.", "Choose another name, or upload into that one.")
    corpus = Corpus(id=uuid4(), name=name, pipeline=pipeline.model_dump(mode="json"))
    session.add(corpus)
    session.flush()  # no relationship tells the session that the rows below need this one first
    session.add_all(CorpusAccess(corpus_id=corpus.id, principal=p) for p in check_principals(access))
    generation = new_generation(corpus.id, pipeline, fingerprint, state="serving")
    session.add(generation)
    corpus.serving_generation = generation.id
    session.flush()
    return corpus


def new_generation(
    corpus_id: UUID, pipeline: PipelineSettings, fingerprint: str = "", *, state: str = "building"
) -> Generation:
    """Make a generation's row with a collection name of its own; its dimension is known at the first indexing."""
    generation_id = uuid4()
    return Generation(
        id=generation_id,
        corpus_id=corpus_id,
        collection=f"moat_{generation_id.hex}",
        pipeline=pipeline.model_dump(mode="json"),
        fingerprint=fingerprint,
        dimension=None,
        state=state,
    )
