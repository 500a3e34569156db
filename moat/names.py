"""Names of people and groups that somebody outside states: what may stand in one, and which are Moat's own."""

from collections.abc import Iterable

from moat.records import EVERYONE

ANY_GROUP = "*"
USER_PREFIX = "user:"
WIDGET_PREFIX = "widget:"
_LONGEST = 200


def is_user(name: object) -> bool:
    """Tell whether this can name a person; the visitors of widgets have names that nobody else may take."""
    return _is_plain(name) and not str(name).startswith(WIDGET_PREFIX)


def is_group(name: object) -> bool:
    """Tell whether this can name a group; who states a single person as a group would read as that person."""
    return _is_plain(name) and name not in (EVERYONE, ANY_GROUP) and not str(name).startswith(USER_PREFIX)


def may_state(group: str, allowed: Iterable[str]) -> bool:
    """Tell whether a group is among those that somebody may state; '*' among them is any group."""
    return is_group(group) and not {group, ANY_GROUP}.isdisjoint(allowed)


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST and name.isprintable() and name == name.strip()
