"""Who may come in: keys and widgets."""

from datetime import datetime
from decimal import Decimal
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
    previous_sha256: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True, index=True)  # before the rotation
    previous_until: Mapped[datetime | None]
    act_for_groups: Mapped[list[str]] = mapped_column(default=list)


class Widget(Table):
    """What a publishable widget id stands for."""

    __tablename__ = "widgets"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    origins: Mapped[list[str]]
    corpora: Mapped[list[str] | None]
    groups: Mapped[list[str]]
    signed_only: Mapped[bool] = mapped_column(default=False)
    signed_groups: Mapped[list[str]] = mapped_column(default=list)  # what a signature may state
    users: Mapped[str] = mapped_column(default="page")  # whose names a signature states: the page's, or moat's
    secret: Mapped[str | None]  # as it is: who signs and who checks need the same
    limit_usd: Mapped[Decimal | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class WidgetSession(Table):
    """A short-lived token that a widget got for its id."""

    __tablename__ = "widget_sessions"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    widget_id: Mapped[str] = mapped_column(ForeignKey("widgets.id", ondelete="CASCADE"))
    user: Mapped[str]
    groups: Mapped[list[str]] = mapped_column(default=list)  # stated by a signature, beside the widget's own
    limit_usd: Mapped[Decimal | None]
    origin: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UsedToken(Table):
    """The hash of a token's or signature's id that was used, until it would have expired anyway."""

    __tablename__ = "used_tokens"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
