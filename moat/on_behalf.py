"""On behalf of: what becomes of a trusted server's key when it says for whom it asks."""

from dataclasses import dataclass, replace

from moat.errors import Forbidden
from moat.names import is_user, may_state
from moat.records import FINANCE, Reader

ACT_FOR = "act_for"
_NEVER_PASSED_ON = frozenset({"admin", FINANCE, ACT_FOR})
_HINT = "Leave out Moat-User and Moat-Groups, or use a key made with the scope 'act_for'."


@dataclass(frozen=True, slots=True)
class Stated:
    """Whom a caller says that it asks for."""

    user: str
    groups: frozenset[str]


def speak_for(own: Reader, allowed_groups: list[str], stated: Stated) -> Reader:
    """Turn a trusted key's Reader into that of the person it states; what makes it trusted is not passed on."""
    # Not `require`: an admin's key has every scope but this one.
    if ACT_FOR not in own.scopes:
        raise refusal()
    if not is_user(stated.user):
        raise Forbidden(f"{stated.user[:50]!r} is not the name of a person.", "State 1 to 200 printable characters.")
    beyond = sorted(group for group in stated.groups if not may_state(group, allowed_groups))
    if beyond:
        raise Forbidden(
            f"This key may not state the group {beyond[0][:50]!r}.", "An admin names its groups when the key is made."
        )
    return replace(own, user=stated.user, groups=stated.groups, scopes=own.scopes - _NEVER_PASSED_ON)


def refusal() -> Forbidden:
    """Say that this caller asks for nobody but itself; to ignore what it states would answer somebody else."""
    return Forbidden("This caller may not ask on behalf of others.", _HINT)
