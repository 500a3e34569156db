"""Shapes that every list and body share."""

import base64
import binascii
import json
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from moat.errors import InvalidRequest


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Shape(BaseModel):
    """A response's body."""


def encode_cursor(created_at: datetime, id_: UUID) -> str:
    """Name a place in a list ordered by creation."""
    return base64.urlsafe_b64encode(json.dumps([created_at.isoformat(), str(id_)]).encode()).decode()


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor, or raise InvalidRequest."""
    try:
        created_at, id_ = json.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(created_at), UUID(id_)
    except (ValueError, binascii.Error, TypeError, AttributeError) as error:
        raise InvalidRequest(
            "The cursor is not one of ours.", "Use next_cursor of the page before, unchanged."
        ) from error
