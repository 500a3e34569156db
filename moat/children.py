"""Documents out of documents: members of an archive and attachments of a mail follow their parent."""

from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moat.records import DocumentState
from moat.tables import Document, DocumentAccess, Version


def children(session: Session, document_id: UUID) -> list[Document]:
    """List the live documents that came directly out of this one."""
    return list(
        session.scalars(
            select(Document).where(Document.parent_id == document_id, Document.state != DocumentState.DELETING)
        )
    )


def depth(session: Session, document: Document) -> int:
    """Count the documents that this one lies in."""
    above = 0
    parent_id = document.parent_id
    while parent_id is not None:
        above += 1
        parent_id = session.scalar(select(Document.parent_id).where(Document.id == parent_id))
    return above


def inherit_access(session: Session, parent_id: UUID) -> list[UUID]:
    """Let those read the children who may read the parent now; gives what has to be tidied.

    A child whose newest version does not serve yet shows its older text only to those who may read both.
    """
    session.flush()
    wanted = access_of(session, parent_id)
    changed: list[UUID] = []
    for child in children(session, parent_id):
        session.get_one(Version, (child.id, child.version)).access = wanted
        mine = delete(DocumentAccess).where(DocumentAccess.document_id == child.id)
        if child.serving_version in (None, child.version):
            session.execute(mine)
            session.add_all(DocumentAccess(document_id=child.id, principal=p) for p in wanted)
        else:
            session.execute(mine.where(DocumentAccess.principal.not_in(wanted)))
        changed += [child.id, *inherit_access(session, child.id)]
    return changed


def access_of(session: Session, document_id: UUID) -> list[str]:
    """Name the principals that may read a document."""
    mine = select(DocumentAccess.principal).where(DocumentAccess.document_id == document_id)
    return sorted(session.scalars(mine.order_by(DocumentAccess.principal)))
