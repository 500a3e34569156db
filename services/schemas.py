"""Shapes that every list and body share."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from moat.errors import InvalidRequest


def to_utc(moment: datetime) -> datetime:
    """Make a time aware, reading one without a zone as UTC; ValueError for one that UTC cannot express."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


Moment = Annotated[datetime, AfterValidator(to_utc)]


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _without_null(cls, value: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise ValueError("a null character is not allowed")  # PostgreSQL cannot store it
        return value


class Shape(BaseModel):
    """A response's body."""


def encode_cursor(created_at: datetime, id_: UUID) -> str:
    """Name a place in a list ordered by creation."""
    return base64.urlsafe_b64encode(json.dumps([created_at.isoformat(), str(id_)]).encode()).decode()


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor, or raise InvalidRequest."""
    try:
        created_at, id_ = json.loads(base64.urlsafe_b64decode(cursor))
        return to_utc(datetime.fromisoformat(created_at)), UUID(id_)
    except (ValueError, binascii.Error, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequest(
            "The cursor is not one of ours.", "Use next_cursor of the page before, unchanged."
        ) from error
