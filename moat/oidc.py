"""From an OpenID Connect issuer's token to a Reader: every claim it rests on is checked, and nothing else believed."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from moat.database import Database
from moat.errors import Unauthenticated
from moat.identity_settings import OidcSettings
from moat.issuer_keys import IssuerKeys
from moat.names import is_group, is_user
from moat.records import Reader
from moat.settings import Settings
from moat.single_use import use_once
from moat.tables import utc_now

log = logging.getLogger(__name__)

MAX_TOKEN_CHARS = 16_384
_LONGEST = timedelta(days=3650)
_HINT = "Sign in again and send a token that the issuer made for Moat."
# Others, such as the token of a logout, are signed with the same keys and mean something else.
_KINDS = (None, "jwt", "at+jwt")
_REASONS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token was made for another service.",
    jwt.InvalidIssuerError: "The token was made by another issuer.",
    jwt.InvalidSignatureError: "The token's signature is wrong.",
}


def looks_like_token(text: str) -> bool:
    """Tell a signed token from a key of Moat's own, which holds no dot."""
    return text.count(".") >= 2


class Issuer:
    """Turns the tokens of the one issuer that is set up into Readers."""

    def __init__(self, settings: OidcSettings, keys: IssuerKeys, database: Database) -> None:
        self._settings = settings
        self._keys = keys
        self._database = database

    @classmethod
    def from_settings(cls, settings: Settings, database: Database) -> "Issuer | None":
        """Make the issuer that is set, if one is."""
        if not settings.oidc.issuer:
            return None
        return cls(settings.oidc, IssuerKeys(settings.oidc, settings.fetch), database)

    def reader(self, token: str) -> Reader:
        """Check a token and say who asks; raises Unauthenticated, or Unavailable while there are no keys to check with.

        The Reader has no key: limits and the ledger know it by its user.
        """
        claims = self._verified(token)
        user = self._user(claims)
        groups = self._groups(claims)
        if self._settings.single_use:
            self._take(claims)
        return Reader(key_id=None, user=user, groups=groups, scopes=self._scopes(groups))

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARS:
            raise _refused(f"The token is over {MAX_TOKEN_CHARS:,} characters.")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in self._settings.algorithms:
                raise _refused("The token is not signed as it must be.")
            if str(header.get("typ", "jwt")).lower().removeprefix("application/") not in _KINDS:
                raise _refused("This is not a token to sign in with.")
            # Of the header, only the name of the key is used: where it says keys may be found (jku, x5u, jwk) is not.
            key = self._keys.find(header.get("kid"), algorithm)
            if key is None:
                raise _refused("The issuer has no such key.")
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=list(self._settings.audience),
                issuer=self._settings.issuer,
                leeway=self._settings.leeway_s,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            raise _refused(_REASONS.get(type(error), "The token is not valid.")) from error
        _check_times(claims)
        return claims

    def _user(self, claims: Mapping[str, Any]) -> str:
        name = _claim(claims, self._settings.user_claim)
        # An address that nobody has confirmed is whatever its owner typed in.
        if self._settings.user_claim == "email" and claims.get("email_verified", True) is not True:
            raise _refused("The token's address is not confirmed.")
        if not isinstance(name, str) or not is_user(name) or not is_user(self._settings.user_prefix + name):
            raise _refused(f"The token's claim {self._settings.user_claim!r} names nobody.")
        return self._settings.user_prefix + name

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        stated = _claim(claims, self._settings.groups_claim)
        if stated is None:
            return frozenset()
        if not isinstance(stated, list) or not all(isinstance(name, str) for name in stated):
            raise _refused(f"The token's claim {self._settings.groups_claim!r} is not a list of names.")
        names = set(stated)
        if self._settings.groups:
            names = {own for name in stated for own in self._settings.groups.get(name, ())}
        # Somebody may have made a group with such a name at the issuer; it must not keep its members out.
        return frozenset(filter(is_group, names))

    def _scopes(self, groups: frozenset[str]) -> frozenset[str]:
        scopes: set[str] = set(self._settings.scopes)
        if not groups.isdisjoint(self._settings.upload_groups):
            scopes.add("upload")
        if not groups.isdisjoint(self._settings.admin_groups):
            scopes.add("admin")
        return frozenset(scopes)

    def _take(self, claims: Mapping[str, Any]) -> None:
        id_ = claims.get("jti")
        if not isinstance(id_, str) or not id_:
            raise _refused("The token has no 'jti', by which it would be taken once.")
        until = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=self._settings.leeway_s)
        with self._database.transaction() as session:
            use_once(self._database, session, self._settings.issuer, id_, until)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Find a claim by its whole name, which may hold dots itself, or else step by step."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _check_times(claims: Mapping[str, Any]) -> None:
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refused(f"The token's claim {name!r} is not a time.")
    if claims["exp"] > (utc_now() + _LONGEST).timestamp():
        raise _refused("The token does not expire in this decade.")


def _refused(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, _HINT)
