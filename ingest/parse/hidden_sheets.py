"""What a page's own style sheets say of a tag."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingest.parse.hidden_styles import Ground, Look, colour, look

_EVERY_SCREEN = re.compile(r"@media\s+(?:only\s+)?(?:screen|all)\s*\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}", re.I)
_AT_BLOCK = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}|@[^{};]*;", re.S)
_COMMENT = re.compile(r"/\*.*?\*/|<!--|-->", re.S)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_PLAIN = re.compile(r"(?P<tag>[a-z][a-z0-9]*|\*)?(?P<names>(?:[.#][\w-]+)*)", re.I)
_COMBINED = re.compile(r"[\s>+~]")
_LINKED = re.compile(r"rel\s*=\s*[\"']?stylesheet", re.I)
_BARE = re.compile(r"[0-9a-f]{6}|[0-9a-f]{3}", re.I)
_SHEET_CHARS, _MOST_RULES, _MOST_SHEETS = 200_000, 5_000, 100


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a style sheet says of the tags that have all of these names; `exact` when nothing else has to be true."""

    names: frozenset[str]
    look: Look
    exact: bool


class Sheets:
    """The style sheets of one page; those that are linked are not here."""

    def __init__(self, markup: str) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        self._count = 0
        # One that is not here may paint what is behind a text that one that is here makes white.
        self._are_whole = _LINKED.search(markup) is None
        for sheet in _sheets(markup):
            self._read(sheet)

    def look(self, tag: str, found: Mapping[str, str | None]) -> Look:
        """Put together what the sheets, the old attributes and the tag's own style say of it."""
        hides, tiny, ground = False, None, _attribute_ground(found)
        ink = _attribute_colour(found.get("color")) if tag == "font" else None
        for rule in self._matching(tag, found) if self._rules else ():
            ground = rule.look.ground or ground
            if rule.exact:
                hides = hides or rule.look.hides
                tiny = rule.look.tiny if rule.look.tiny is not None else tiny
                ink = rule.look.ink if rule.look.ink and self._are_whole else ink
        own = look(found.get("style") or "")
        tiny = own.tiny if own.tiny is not None else tiny
        return Look(hides or own.hides, own.ink or ink, own.ground or ground, tiny)

    def _matching(self, tag: str, found: Mapping[str, str | None]) -> Iterator[_Rule]:
        names = {tag, "*", f"#{found.get('id')}", *(f".{name}" for name in (found.get("class") or "").split())}
        for name in names & self._rules.keys():
            yield from (rule for rule in self._rules[name] if rule.names <= names)

    def _read(self, sheet: str) -> None:
        """Note the rules for tags, classes and ids that hold whatever the screen."""
        plain = _EVERY_SCREEN.sub(r"\1", _COMMENT.sub(" ", sheet[:_SHEET_CHARS]))
        for selectors, style in _RULE.findall(_AT_BLOCK.sub(" ", plain)):
            seen = look(style)
            if seen != Look():
                for selector in selectors.split(","):
                    self._note(selector.strip(), seen)

    def _note(self, selector: str, seen: Look) -> None:
        last = _COMBINED.split(selector)[-1]
        plain = _PLAIN.fullmatch(last)
        if plain is None or not last or self._count >= _MOST_RULES:
            return
        names = frozenset(re.findall(r"[.#][\w-]+", plain["names"]))
        names |= {plain["tag"].lower()} if plain["tag"] else set()
        self._count += 1
        self._rules.setdefault(min(names), []).append(_Rule(names, seen, exact=last == selector))


def _attribute_ground(found: Mapping[str, str | None]) -> Ground | None:
    if "background" in found:
        return "picture"
    told: Ground | None = _attribute_colour(found.get("bgcolor"))
    return "picture" if told is None and "bgcolor" in found else told


def _attribute_colour(text: str | None) -> tuple[float, float, float, float] | None:
    """Read a colour of the old kind, which may lack its sign."""
    return colour(f"#{text}" if text and _BARE.fullmatch(text) else text or "")


def _sheets(markup: str) -> Iterator[str]:
    """Find the style sheets in a page, wherever they stand, but for those that are meant for paper."""
    lower, at = markup.lower(), 0
    for _ in range(_MOST_SHEETS):
        start = lower.find("<style", at)
        inside = lower.find(">", start) + 1 if start >= 0 else 0
        end = lower.find("</style", inside) if inside else -1
        if end < 0:
            return
        if "print" not in lower[start:inside]:
            yield markup[inside:end]
        at = end
