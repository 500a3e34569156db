"""What a widget's host page says of its visitor: a short JWT that the page's server signs with the widget's secret."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from moat.errors import Forbidden, Unauthenticated
from moat.names import WIDGET_PREFIX, is_user, may_state
from moat.on_behalf import Stated
from moat.tables import Widget, utc_now

ALGORITHM = "HS256"
MAX_CHARS = 8_192
_LEEWAY = timedelta(seconds=30)
_HINT = "The page's server signs {sub, aud, exp, jti, groups} with the widget's secret, HS256, anew for each session."


@dataclass(frozen=True, slots=True)
class Signed:
    """Whom a page's server vouches for; `id` works once."""

    visitor: Stated
    id: str
    expires_at: datetime


def read_signature(widget: Widget, signature: str, longest: timedelta) -> Signed:
    """Check a signature for this widget; raises Unauthenticated, or Forbidden for a group beyond the widget's."""
    if widget.secret is None:
        raise Unauthenticated("This widget takes no signatures.", "An admin makes its secret: 'moat widget secret'.")
    try:
        claims = jwt.decode(
            signature,
            widget.secret,
            algorithms=[ALGORITHM],
            audience=widget.id,
            leeway=_LEEWAY,
            options={"require": ["exp", "sub", "aud", "jti"], "strict_aud": True},
        )
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("The page's signature has expired.", _HINT) from error
    except jwt.PyJWTError as error:
        raise Unauthenticated("The page's signature is not valid for this widget.", _HINT) from error
    expires_at = _expiry(claims["exp"], longest) + _LEEWAY
    if not is_user(claims["sub"]) or not claims["jti"]:
        raise Unauthenticated("The page's signature names nobody, or has no id.", _HINT)
    return Signed(Stated(claims["sub"], _groups(widget, claims.get("groups", []))), claims["jti"], expires_at)


def user_name(widget: Widget, signed: Signed) -> str:
    """Name the visitor: as one of Moat's users where the widget was made so, else as one of this page's alone."""
    if widget.users == "moat":
        return signed.visitor.user
    return f"{WIDGET_PREFIX}{widget.id}:user:{signed.visitor.user}"


def _expiry(exp: Any, longest: timedelta) -> datetime:
    latest = utc_now() + longest + _LEEWAY
    if isinstance(exp, bool) or not isinstance(exp, int | float) or exp > latest.timestamp():
        detail = f"The page's signature may live {longest.total_seconds():g} seconds at most."
        raise Unauthenticated(detail, "Sign with a shorter 'exp'.")
    return datetime.fromtimestamp(exp, UTC)


def _groups(widget: Widget, stated: Any) -> frozenset[str]:
    if not isinstance(stated, list) or not all(isinstance(name, str) for name in stated):
        raise Unauthenticated("The signature's 'groups' is not a list of names.", _HINT)
    beyond = sorted(name for name in stated if not may_state(name, widget.signed_groups))
    if beyond:
        detail = f"This widget's page may not state the group {beyond[0][:50]!r}."
        raise Forbidden(detail, "An admin names its groups when the widget is made.")
    return frozenset(stated)
