"""The headers in which a trusted server says for whom it asks."""

from urllib.parse import unquote

from starlette.datastructures import Headers

from moat.errors import InvalidRequest
from moat.on_behalf import Stated

USER, GROUPS = "Moat-User", "Moat-Groups"
_MOST_CHARS = 16_384
_HINT = f"Send one {USER}, and groups with commas between them in {GROUPS}; write names as percent-encoded UTF-8."


def read_stated(headers: Headers) -> Stated | None:
    """Read whom this call is made for, or None; InvalidRequest when it cannot be read in one way alone."""
    users, lists = headers.getlist(USER), headers.getlist(GROUPS)
    if not users and not lists:
        return None
    if len(users) != 1 or len(lists) > 1:
        raise InvalidRequest(f"{USER} or {GROUPS} is missing or came twice.", _HINT)
    names = [_name(part) for part in lists[0].split(",")] if lists and lists[0].strip() else []
    return Stated(_name(users[0]), frozenset(names))


def _name(text: str) -> str:
    try:
        if len(text) <= _MOST_CHARS and text.isascii():
            return unquote(text.strip(), errors="strict")
    except UnicodeDecodeError:
        pass
    raise InvalidRequest(f"{USER} or {GROUPS} is not written in ASCII and percent-encoded UTF-8.", _HINT)
