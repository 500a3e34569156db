"""What a corpus that masks does not keep: elements as they were parsed, and the uploaded file itself."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest import pipeline
from moat.blobs import original_name, parsed_name
from moat.documents import LIVE_GENERATIONS
from moat.pipeline_settings import PipelineSettings, RedactionSettings
from moat.tables import Document, Generation, Version
from workers.parts import Parts


def drop_unmasked(session: Session, version: Version, parts: Parts) -> None:
    """Remove what no policy over these bytes wants kept, in the commit that makes the masked elements serve.

    The lock is the one an upload of the same bytes holds while it seals its blob and commits its row.
    """
    session.flush()
    parts.database.lock(session, f"blob/{version.sha256}")
    policies = _policies(session, version.sha256)
    if any(policy.mode == "off" for policy, _ in policies) or not all(elements for _, elements in policies):
        return  # it is indexed as it is elsewhere, or its masked elements are still to be made
    parts.blobs.delete(parsed_name(version.sha256, version.media_type, pipeline.PARSER_VERSION))
    if not any(policy.keep_original for policy, _ in policies):
        parts.blobs.delete(original_name(version.sha256))


def drop_unmasked_of_corpus(corpus_id: UUID, parts: Parts) -> None:
    """Do the same for a whole corpus, when the last generation that read its documents unmasked is gone."""
    with parts.database.reading() as session:
        generations = session.scalars(
            select(Generation.pipeline).where(Generation.corpus_id == corpus_id, Generation.state.in_(LIVE_GENERATIONS))
        ).all()
        if all(PipelineSettings.model_validate(kept).redaction.mode == "off" for kept in generations):
            return
        keys = session.execute(
            select(Version.document_id, Version.number)
            .join(Document, Document.id == Version.document_id)
            .where(Document.corpus_id == corpus_id, Version.elements.is_not(None))
        ).all()
    for document_id, number in keys:
        with parts.database.transaction() as session:
            version = session.get(Version, (document_id, number))
            if version is not None:
                drop_unmasked(session, version, parts)


def _policies(session: Session, sha256: str) -> list[tuple[RedactionSettings, str | None]]:
    """Give the policy of every live generation that holds these bytes, with the version's masked elements."""
    rows = session.execute(
        select(Generation.pipeline, Version.elements)
        .select_from(Version)
        .join(Document, Document.id == Version.document_id)
        .join(Generation, Generation.corpus_id == Document.corpus_id)
        .where(Version.sha256 == sha256, Generation.state.in_(LIVE_GENERATIONS))
    )
    return [(PipelineSettings.model_validate(settings).redaction, elements) for settings, elements in rows]
