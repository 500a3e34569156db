"""Who may come in: keys and widgets."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from moat.tables.base import Table, utc_now


class ApiKey(Table):
    """A key's hash with whom it speaks for; the key itself is shown once and never stored."""

    __tablename__ = "api_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    prefix: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user: Mapped[str]
    groups: Mapped[list[str]]
    scopes: Mapped[list[str]]
    corpora: Mapped[list[str] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Widget(Table):
    """What a publishable widget id stands for."""

    __tablename__ = "widgets"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    origins: Mapped[list[str]]
    corpora: Mapped[list[str] | None]
    groups: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class WidgetSession(Table):
    """A short-lived token that a widget got for its id."""

    __tablename__ = "widget_sessions"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    widget_id: Mapped[str] = mapped_column(ForeignKey("widgets.id", ondelete="CASCADE"))
    user: Mapped[str]
    origin: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
