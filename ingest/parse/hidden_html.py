"""What a web page holds but does not show, and what it shows on every page of its site."""

import re

Attributes = list[tuple[str, str | None]]

_NAVIGATION = {"nav", "footer"}
_ROLES = {"navigation", "contentinfo", "menu", "menubar", "search"}
# Containers of cookie notices, by the names that consent programs give them.
_CONSENT = re.compile(
    r"(^|[\s_-])(cookie-?(consent|banner|notice|bar|law|policy-?banner|popup|modal|message)s?|onetrust|cookiebot|"
    r"consent-?(banner|manager|modal|popup)|gdpr-?(banner|notice|popup))",
    re.I,
)
_CONTAINERS = {"div", "section", "aside", "form", "dialog"}
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|font-size\s*:\s*[01](\.\d+)?(px|pt|em|rem|%)?\s*(;|!|$)"
    r"|opacity\s*:\s*0(\.0+)?\s*(;|!|$)"
    # Off the page, or clipped away.
    r"|(left|top|right|text-indent|margin-left)\s*:\s*-\d{4,}|clip\s*:\s*rect\(\s*0",
    re.I,
)
_EM_SIZES = re.compile(r"font-size\s*:\s*1(\.\d+)?(em|rem|%)?\s*(;|!|$)", re.I)
_WHITE = r"(#fff(fff)?\b|white\b|rgba?\(\s*255\s*,\s*255\s*,\s*255)"
_WHITE_TEXT = re.compile(rf"(^|[;\s])color\s*:\s*{_WHITE}", re.I)
_BACKGROUND = re.compile(r"background(-color|-image)?\s*:", re.I)
_WHITE_GROUND = re.compile(rf"background(-color)?\s*:\s*{_WHITE}", re.I)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_AT_BLOCK = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}|@[^{};]*;|/\*.*?\*/", re.S)
_SIMPLE = re.compile(r"^[.#][\w-]+$")


class Sight:
    """Tells what is not seen from the tags that went by and from the page's own style sheets."""

    def __init__(self) -> None:
        self._coloured = False  # something else than white may lie behind the text
        self._unseen: set[str] = set()  # `.class` and `#id` that a style sheet hides

    def read_styles(self, sheet: str) -> None:
        """Note the plain classes and ids that are hidden whatever the screen."""
        for selectors, style in _RULE.findall(_AT_BLOCK.sub(" ", sheet[:200_000])):
            hides = self._hides(style)
            self._note_ground(style)
            if hides:
                names = (selector.strip() for selector in selectors.split(","))
                self._unseen.update(name for name in names if _SIMPLE.match(name))

    def mark(self, tag: str, attributes: Attributes) -> str:
        """Give `hidden`, `boilerplate`, or nothing for a tag that opens.

        What is only hidden from screen readers (`aria-hidden`) is seen, and stays.
        """
        found = dict(attributes)
        style = found.get("style") or ""
        if "hidden" in found or (style and self._hides(style)) or (self._unseen and self._is_named(found)):
            return "hidden"
        if style or "bgcolor" in found or "background" in found:
            self._note_ground(style)
            self._coloured = self._coloured or "bgcolor" in found or "background" in found
        if tag in _NAVIGATION or (found.get("role") or "").lower() in _ROLES:
            return "boilerplate"
        if tag in _CONTAINERS and _CONSENT.search(f"{found.get('id') or ''} {found.get('class') or ''}"):
            return "boilerplate"
        return ""

    def _hides(self, style: str) -> bool:
        unseen = _UNSEEN.search(style)
        if unseen and not _EM_SIZES.match(unseen[0]):
            return True
        if not _WHITE_TEXT.search(style):
            return False
        return bool(_WHITE_GROUND.search(style)) or not (self._coloured or _BACKGROUND.search(style))

    def _note_ground(self, style: str) -> None:
        if _BACKGROUND.search(style) and not _WHITE_GROUND.search(style):
            self._coloured = True

    def _is_named(self, found: dict[str, str | None]) -> bool:
        names = [f".{name}" for name in (found.get("class") or "").split()]
        return not self._unseen.isdisjoint((*names, f"#{found.get('id')}"))
