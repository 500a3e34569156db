"""From a key or a token to a Reader, and from a Reader to the one rule of what it may see."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from moat.database import Database
from moat.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthenticated
from moat.names import ANY_GROUP, USER_PREFIX, is_group, is_user, may_state
from moat.on_behalf import ACT_FOR, Stated, refusal, speak_for
from moat.records import EVERYONE, FINANCE, DocumentState, Reader
from moat.tables import ApiKey, Corpus, CorpusAccess, Document, DocumentAccess, Widget, WidgetSession, utc_now

KEY_PREFIX = "moat_"
TOKEN_PREFIX = "mws_"  # noqa: S105 (a prefix, not a secret)
SCOPES = ("read", "ask", "upload", "admin")
METRICS = "metrics"  # reads /metrics and nothing else
KEY_SCOPES = (*SCOPES, FINANCE, ACT_FOR, METRICS)
_LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a Reader may see; None means everything. Both the vectors and SQL apply this and nothing else."""

    principals: tuple[str, ...] | None
    within: frozenset[UUID] | None = None  # the corpora that the key reaches

    def documents(self) -> ColumnElement[bool]:
        """SQL: the row of `documents` is live and readable, and so is its corpus."""
        live = and_(Document.state != DocumentState.DELETING, *self._reached(Document.corpus_id))
        if self.principals is None:
            return live
        granted = exists().where(
            DocumentAccess.document_id == Document.id, DocumentAccess.principal.in_(self.principals)
        )
        # Not as a list of corpora: SQLite would look through all of their documents for the few that are asked for.
        reachable = exists().where(
            CorpusAccess.corpus_id == Document.corpus_id, CorpusAccess.principal.in_(self.principals)
        )
        return and_(live, granted, reachable)

    def corpora(self) -> ColumnElement[bool]:
        """SQL: the row of `corpora` is live and readable."""
        live = and_(Corpus.deleted_at.is_(None), *self._reached(Corpus.id))
        return live if self.principals is None else and_(live, Corpus.id.in_(self._readable_corpora()))

    @property
    def is_everything(self) -> bool:
        return self.principals is None and self.within is None

    def _reached(self, corpus_id: InstrumentedAttribute[UUID]) -> tuple[ColumnElement[bool], ...]:
        return () if self.within is None else (corpus_id.in_(self.within),)

    def _readable_corpora(self) -> Select[UUID]:
        return select(CorpusAccess.corpus_id).where(CorpusAccess.principal.in_(self.principals or ()))


def rule(reader: Reader) -> Rule:
    """Turn a Reader into the one rule that every query, list, count and filter applies."""
    if reader.is_admin:
        return Rule(None, reader.corpora)
    # A group that is named like a person stands for nobody: whoever names groups must not become that person.
    groups = (group for group in sorted(reader.groups) if not group.startswith(USER_PREFIX))
    return Rule((EVERYONE, user_principal(reader.user), *groups), reader.corpora)


def user_principal(user: str) -> str:
    """Name a single user as a principal of access lists."""
    return f"{USER_PREFIX}{user}"


def require(reader: Reader, *scopes: str) -> None:
    """Refuse a reader whose key has none of these scopes; `admin` includes the others."""
    if reader.scopes.isdisjoint(scopes) and not reader.is_admin:
        raise Forbidden(f"This key lacks the scope '{scopes[0]}'.")


def check_principals(access: Iterable[str]) -> tuple[str, ...]:
    """Normalise an access list, refusing empty and overlong names."""
    names = tuple(dict.fromkeys(name.strip() for name in access))
    for name in names:
        if not name or len(name) > 200 or any(ord(c) < 32 for c in name):
            raise InvalidRequest(
                f"{name[:50]!r} is not a group name.", "Use 1 to 200 printable characters, or 'everyone'."
            )
    return names


def readable_corpora(session: Session, reader: Reader) -> list[Corpus]:
    """List the corpora this reader may read, by name."""
    return list(session.scalars(select(Corpus).where(rule(reader).corpora()).order_by(Corpus.name)))


Hold = Literal["", "against_changes", "for_change"]


def find_corpus(session: Session, reader: Reader, name_or_id: str, hold: Hold = "") -> Corpus:
    """Find a corpus by id or name, or raise NotFound as if an unreadable one did not exist.

    `hold` keeps it until the transaction ends: so that nobody changes it, or so that this one may.
    """
    statement = select(Corpus).where(rule(reader).corpora())
    if hold:
        statement = statement.with_for_update(of=Corpus, read=hold == "against_changes")
    wanted = _as_uuid(name_or_id)
    corpus = session.scalar(statement.where(Corpus.id == wanted if wanted else Corpus.name == name_or_id))
    if corpus is None:
        raise NotFound(f"There is no corpus {name_or_id[:100]!r}.", "GET /v1/corpora lists the ones you may read.")
    return corpus


def find_document(session: Session, reader: Reader, document_id: UUID, *, for_change: bool = False) -> Document:
    """Find a readable, live document, or raise NotFound as if it did not exist; `for_change` holds it."""
    statement = select(Document).where(Document.id == document_id, rule(reader).documents())
    if for_change:
        statement = statement.with_for_update(of=Document)
    document = session.scalar(statement)
    if document is None:
        raise _no_document(document_id)
    return document


def find_documents(session: Session, reader: Reader, ids: Iterable[UUID]) -> list[Document]:
    """Find readable, live documents, or raise NotFound for the first that is not, as if it did not exist."""
    wanted = list(dict.fromkeys(ids))
    rows = session.scalars(select(Document).where(Document.id.in_(wanted), rule(reader).documents()))
    found = {document.id: document for document in rows}
    for id_ in wanted:
        if id_ not in found:
            raise _no_document(id_)
    return [found[id_] for id_ in wanted]


def _no_document(document_id: UUID) -> NotFound:
    return NotFound(
        f"There is no document {document_id}.", "GET /v1/corpora/{corpus}/documents lists the ones you may read."
    )


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def digest(secret: str) -> bytes:
    """Hash a key or token for storage; they carry 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def create_key(
    session: Session,
    *,
    name: str,
    user: str,
    groups: Iterable[str] = (),
    scopes: Iterable[str] = ("read", "ask"),
    corpora: Iterable[UUID] | None = None,
    expires_at: datetime | None = None,
    act_for_groups: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key and return its row with the key itself, which cannot be read again."""
    scopes, stateable = set(scopes), check_stateable(act_for_groups)
    wrong = sorted(scopes - set(KEY_SCOPES))
    if wrong:
        raise InvalidRequest(f"There is no scope {wrong[0]!r}.", f"Scopes are {', '.join(KEY_SCOPES)}.")
    if corpora is not None and "admin" in scopes:
        # Admins make keys, so a limit on one of theirs would hold nobody back.
        raise InvalidRequest("A key with the scope 'admin' reaches every corpus.", "Leave out 'admin' or the corpora.")
    if {ACT_FOR, "admin"} <= scopes:
        raise InvalidRequest("A key that asks for others is no admin's.", "Make two keys.")
    if stateable and ACT_FOR not in scopes:
        raise InvalidRequest("This key may state no groups.", f"Add the scope '{ACT_FOR}', or leave the groups out.")
    if not is_user(user):
        raise InvalidRequest(f"{user[:50]!r} is not the name of a user.", "Use 1 to 200 printable characters.")
    secret = _new_secret()
    row = ApiKey(
        name=name,
        prefix=_shown(secret),
        sha256=digest(secret),
        user=user,
        groups=list(check_principals(groups)),
        scopes=sorted(scopes),
        corpora=None if corpora is None else [str(c) for c in corpora],
        expires_at=expires_at,
        act_for_groups=stateable,
    )
    session.add(row)
    return row, secret


def check_stateable(groups: Iterable[str]) -> list[str]:
    """Check the groups that somebody is to be allowed to state; '*' is any."""
    names = list(check_principals(groups))
    for name in names:
        if name != ANY_GROUP and not is_group(name):
            raise InvalidRequest(f"{name[:50]!r} cannot be stated as a group.", "Name groups, or '*' for any.")
    return names


def rotate_key(row: ApiKey, overlap: timedelta) -> str:
    """Give a key a new secret and return it; the one before works on for the overlap, any older one no more."""
    now = utc_now()
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise Conflict("This key was revoked or has expired.", "Make a new one with 'moat key create'.")
    secret = _new_secret()
    row.previous_sha256, row.previous_until = row.sha256, now + overlap
    row.sha256, row.prefix = digest(secret), _shown(secret)
    return secret


def _new_secret() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def _shown(secret: str) -> str:
    return secret[: len(KEY_PREFIX) + 6]


def authenticate(session: Session, secret: str, origin: str | None = None) -> Reader:
    """Turn a key or a widget session's token into a Reader, or raise Unauthenticated."""
    if secret.startswith(TOKEN_PREFIX):
        return _widget_reader(session, secret, origin)
    now, sha256 = utc_now(), digest(secret)
    before = and_(ApiKey.previous_sha256 == sha256, ApiKey.previous_until > now)
    row = session.scalar(select(ApiKey).where(or_(ApiKey.sha256 == sha256, before)))
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise Unauthenticated("The key is not valid, has expired or was revoked.")
    return Reader(
        key_id=row.id,
        user=row.user,
        groups=frozenset(row.groups),
        scopes=frozenset(row.scopes),
        corpora=None if row.corpora is None else frozenset(UUID(c) for c in row.corpora),
    )


def check_still_valid(session: Session, reader: Reader) -> None:
    """Raise Unauthenticated when the reader's key was revoked or has expired since it came in."""
    if reader.key_id is None:
        return
    row = session.get(ApiKey, reader.key_id)
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= utc_now()):
        raise Unauthenticated("The key is not valid, has expired or was revoked.")


def act_for(session: Session, own: Reader, stated: Stated) -> Reader:
    """Turn a trusted key's Reader into that of the person it states, or raise Forbidden."""
    key = None if own.key_id is None else session.get(ApiKey, own.key_id)
    if key is None:
        raise refusal()
    return speak_for(own, key.act_for_groups, stated)


def note_use(database: Database, key_id: UUID) -> None:
    """Remember, at most once a minute, that a key was used."""
    stale = utc_now() - _LAST_USED_EVERY
    with database.reading() as session:
        last = session.scalar(select(ApiKey.last_used_at).where(ApiKey.id == key_id))
    if last is None or last < stale:
        with database.transaction() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=utc_now()))


def _widget_reader(session: Session, token: str, origin: str | None) -> Reader:
    found = session.execute(
        select(WidgetSession, Widget)
        .join(Widget, Widget.id == WidgetSession.widget_id)
        .where(WidgetSession.sha256 == digest(token), WidgetSession.expires_at > utc_now())
    ).first()
    if found is None or (origin or "") != found.WidgetSession.origin:
        raise Unauthenticated(
            "The widget's session is not valid here or has ended.", "The widget asks for a new one by itself."
        )
    widget, begun = found.Widget, found.WidgetSession
    return Reader(
        key_id=None,
        user=begun.user,
        groups=frozenset(widget.groups).union(g for g in begun.groups if may_state(g, widget.signed_groups)),
        scopes=frozenset({"ask"}),
        corpora=None if widget.corpora is None else frozenset(UUID(c) for c in widget.corpora),
        session=begun.sha256.hex(),
    )
