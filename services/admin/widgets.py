"""Routes of chat widgets: a publishable id, exchanged by the page for a short session."""

import re
import secrets
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from answering.body import dollars
from moat import audit
from moat.access import TOKEN_PREFIX, check_principals, check_stateable, digest, find_corpus
from moat.budgets import add_session_budget
from moat.errors import Forbidden, InvalidRequest, NotFound
from moat.names import WIDGET_PREFIX
from moat.single_use import use_once
from moat.tables import Widget, WidgetSession, utc_now
from moat.widget_signatures import read_signature, user_name
from services.admin.schemas import SecretShape, SessionBody, SessionShape, WidgetBody, WidgetPage, WidgetShape
from services.dependencies import Admin, PartsOf
from services.parts import Parts

router = APIRouter(prefix="/v1", tags=["widgets"])
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_ORIGIN_HINT = "Write it as https://intranet.example.com, without a path."


@router.post("/widgets", status_code=201)
def add_widget(body: WidgetBody, reader: Admin, parts: PartsOf) -> WidgetShape:
    """Make a publishable widget id for the pages of these origins."""
    origins = list(dict.fromkeys(_origin(o) for o in body.origins))
    with parts.database.transaction() as session:
        corpora = None if body.corpora is None else [str(find_corpus(session, reader, c).id) for c in body.corpora]
        row = Widget(
            id=f"wid_{secrets.token_urlsafe(16)}",
            name=body.name,
            origins=origins,
            corpora=corpora,
            groups=[g for g in check_principals(body.groups) if g != "everyone"],
            signed_only=body.signed_only,
            signed_groups=check_stateable(body.signed_groups),
            users=body.users,
            limit_usd=body.limit_usd,
        )
        session.add(row)
        session.flush()
        audit.note(session, reader, "widget.created", row.id, origins=row.origins, groups=row.groups)
        return _shape(row)


@router.get("/widgets")
def list_widgets(reader: Admin, parts: PartsOf) -> WidgetPage:
    """List every widget."""
    with parts.database.reading() as session:
        rows = session.scalars(select(Widget).order_by(Widget.created_at)).all()
    return WidgetPage(items=[_shape(row) for row in rows])


@router.post("/widgets/{widget_id}/secret")
def make_secret(widget_id: str, reader: Admin, parts: PartsOf) -> SecretShape:
    """Make the secret that the page's server signs with; one made before stops working at once."""
    secret = secrets.token_urlsafe(32)
    with parts.database.transaction() as session:
        _found(session, widget_id).secret = secret
        audit.note(session, reader, "widget.secret_made", widget_id)
    return SecretShape(secret=secret)


@router.delete("/widgets/{widget_id}", status_code=204)
def delete_widget(widget_id: str, reader: Admin, parts: PartsOf) -> None:
    """Remove a widget; its sessions end at once."""
    with parts.database.transaction() as session:
        _found(session, widget_id)
        session.execute(delete(WidgetSession).where(WidgetSession.widget_id == widget_id))
        audit.note(session, reader, "widget.deleted", widget_id)
        session.execute(delete(Widget).where(Widget.id == widget_id))


@router.post("/widget-sessions", status_code=201)
def start_session(body: SessionBody, request: Request, parts: PartsOf) -> SessionShape:
    """Exchange a widget id for a token that works on this page's origin for some minutes."""
    origin = request.headers.get("origin", "")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = utc_now() + timedelta(seconds=parts.settings.widget.session_s)
    with parts.database.transaction() as session:
        widget = session.get(Widget, body.widget_id)
        if widget is None or origin not in widget.origins:
            raise Forbidden(
                f"This widget may not be shown on {origin[:200] or 'a page without an origin'}.",
                "An admin adds the page's origin with 'moat widget create --origin'.",
            )
        user, groups = _visitor(parts, session, widget, body.signature)
        begun = WidgetSession(
            sha256=digest(token),
            widget_id=widget.id,
            user=user,
            groups=sorted(groups),
            limit_usd=widget.limit_usd,
            origin=origin,
            expires_at=expires_at,
        )
        session.add(begun)
        add_session_budget(session, begun)
    return SessionShape(token=token, expires_at=expires_at, limit_usd=_amount(begun.limit_usd))


def _visitor(parts: Parts, session: Session, widget: Widget, signature: str | None) -> tuple[str, frozenset[str]]:
    """Name the visitor, and the groups that the page's server states for it; nobody in particular without it."""
    if signature is None:
        if widget.signed_only:
            raise Forbidden("This widget is for visitors its page signs for.", "The page sends a signature along.")
        return f"{WIDGET_PREFIX}{widget.id}:{secrets.token_hex(8)}", frozenset()
    signed = read_signature(widget, signature, timedelta(seconds=parts.settings.widget.signature_s))
    use_once(parts.database, session, widget.id, signed.id, signed.expires_at)
    return user_name(widget, signed), signed.visitor.groups


def _found(session: Session, widget_id: str) -> Widget:
    row = session.get(Widget, widget_id)
    if row is None:
        raise NotFound(f"There is no widget {widget_id[:100]!r}.", "GET /v1/widgets lists them.")
    return row


def _shape(row: Widget) -> WidgetShape:
    fields = {name: getattr(row, name) for name in WidgetShape.model_fields}
    return WidgetShape(**fields | {"limit_usd": _amount(row.limit_usd)})


def _amount(limit_usd: Decimal | None) -> str | None:
    return None if limit_usd is None else dollars(limit_usd)


def _origin(text: str) -> str:
    """Normalise scheme://host[:port] as a browser writes it, or raise InvalidRequest."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise InvalidRequest(f"{text[:100]!r} is not an origin: {error}.", _ORIGIN_HINT) from error
    # A browser writes names in ASCII; what can stand in no name, such as '*', would never match one.
    plain = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "") and not parts.username
    if not plain or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidRequest(f"{text[:100]!r} is not an origin.", _ORIGIN_HINT)
    default = {"http": 80, "https": 443}[parts.scheme]
    suffix = "" if port in (None, default) else f":{port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{suffix}"
