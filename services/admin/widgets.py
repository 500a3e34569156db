"""Routes of chat widgets: a publishable id, exchanged by the page for a short session."""

import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlalchemy import delete, select

from moat import audit
from moat.access import TOKEN_PREFIX, check_principals, digest, find_corpus
from moat.errors import Forbidden, InvalidRequest, NotFound
from moat.tables import Widget, WidgetSession, utc_now
from services.admin.schemas import SessionBody, SessionShape, WidgetBody, WidgetPage, WidgetShape
from services.dependencies import Admin, PartsOf

router = APIRouter(prefix="/v1", tags=["widgets"])
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
        )
        session.add(row)
        session.flush()
        audit.note(session, reader, "widget.created", row.id, origins=row.origins, groups=row.groups)
        return WidgetShape.model_validate(row, from_attributes=True)


@router.get("/widgets")
def list_widgets(reader: Admin, parts: PartsOf) -> WidgetPage:
    """List every widget."""
    with parts.database.reading() as session:
        rows = session.scalars(select(Widget).order_by(Widget.created_at)).all()
    return WidgetPage(items=[WidgetShape.model_validate(row, from_attributes=True) for row in rows])


@router.delete("/widgets/{widget_id}", status_code=204)
def delete_widget(widget_id: str, reader: Admin, parts: PartsOf) -> None:
    """Remove a widget; its sessions end at once."""
    with parts.database.transaction() as session:
        row = session.get(Widget, widget_id)
        if row is None:
            raise NotFound(f"There is no widget {widget_id[:100]!r}.", "GET /v1/widgets lists them.")
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
        session.add(
            WidgetSession(
                sha256=digest(token),
                widget_id=widget.id,
                user=f"widget:{widget.id}:{secrets.token_hex(8)}",
                origin=origin,
                expires_at=expires_at,
            )
        )
    return SessionShape(token=token, expires_at=expires_at)


def _origin(text: str) -> str:
    """Normalise scheme://host[:port] as a browser writes it, or raise InvalidRequest."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise InvalidRequest(f"{text[:100]!r} is not an origin: {error}.", _ORIGIN_HINT) from error
    plain = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not plain or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidRequest(f"{text[:100]!r} is not an origin.", _ORIGIN_HINT)
    default = {"http": 80, "https": 443}[parts.scheme]
    suffix = "" if port in (None, default) else f":{port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{suffix}"
