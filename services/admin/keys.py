"""Routes of API keys."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session

from moat import audit
from moat.access import create_key, find_corpus, rotate_key
from moat.errors import Conflict, NotFound
from moat.tables import ApiKey, utc_now
from services.admin.schemas import KeyBody, KeyPage, KeyShape, RotationBody
from services.dependencies import Admin, PartsOf

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201)
def add_key(body: KeyBody, reader: Admin, parts: PartsOf) -> KeyShape:
    """Make a key; it is shown in this answer and never again."""
    with parts.database.transaction() as session:
        corpora = None if body.corpora is None else [find_corpus(session, reader, c).id for c in body.corpora]
        row, secret = create_key(
            session,
            name=body.name,
            user=body.user,
            groups=body.groups,
            scopes=body.scopes,
            corpora=corpora,
            expires_at=body.expires_at,
            act_for_groups=body.act_for_groups,
        )
        session.flush()
        audit.note(session, reader, "key.created", row.id, for_user=row.user, groups=row.groups, scopes=row.scopes)
        return _shape(row, secret)


@router.get("")
def list_keys(reader: Admin, parts: PartsOf) -> KeyPage:
    """List every key by its prefix."""
    with parts.database.reading() as session:
        rows = session.scalars(select(ApiKey).order_by(ApiKey.created_at)).all()
    return KeyPage(items=[_shape(row) for row in rows])


@router.post("/{key_id}/rotate")
def rotate(key_id: UUID, body: RotationBody, reader: Admin, parts: PartsOf) -> KeyShape:
    """Give a key a new secret, shown in this answer alone; the one before works on for `overlap_s`."""
    with parts.database.transaction() as session:
        row = _found(session, key_id)
        secret = rotate_key(row, timedelta(seconds=body.overlap_s))
        row.expires_at = body.expires_at or row.expires_at
        audit.note(session, reader, "key.rotated", row.id)
        return _shape(row, secret)


@router.delete("/{key_id}")
def revoke_key(key_id: UUID, reader: Admin, parts: PartsOf) -> KeyShape:
    """Revoke a key at once."""
    if key_id == reader.key_id:
        raise Conflict("This is the key you are using.", "Revoke it with another admin's key.")
    with parts.database.transaction() as session:
        row = _found(session, key_id)
        row.revoked_at = row.revoked_at or utc_now()
        audit.note(session, reader, "key.revoked", row.id)
        return _shape(row)


def _found(session: Session, key_id: UUID) -> ApiKey:
    row = session.get(ApiKey, key_id, with_for_update=True)  # two rotations at once would each lose the other's
    if row is None:
        raise NotFound(f"There is no key {key_id}.", "GET /v1/keys lists them.")
    return row


def _shape(row: ApiKey, secret: str | None = None) -> KeyShape:
    return KeyShape.model_validate(row, from_attributes=True).model_copy(update={"key": secret})
