"""What a web page holds but does not show, and what it shows on every page of its site."""

import re
from collections import Counter
from dataclasses import dataclass

from ingest.parse.hidden_sheets import Sheets
from ingest.parse.hidden_styles import WHITE, Colour, Ground, Look, alike

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
# What a tag closes that was left open, up to the nearest table or list around both.
_FENCES = {"table", "ul", "ol", "dl"}
_CELLS = {"td", "th", "p"}
_CLOSES = {
    "td": _CELLS,
    "th": _CELLS,
    "tr": {"tr", *_CELLS},
    "dt": {"dt", "dd", "p"},
    "dd": {"dt", "dd", "p"},
    "li": {"li", "p"},
}
_MOST_OPEN = 10_000


@dataclass(slots=True)
class _Open:
    """An open tag that changes how text looks, or fences others; the look holds inside of it."""

    tag: str
    ink: Colour | None
    ground: Ground
    tiny: bool
    depth: int = 1  # how many of its kind are inside each other

    @property
    def is_unseen(self) -> bool:
        return self.tiny or (self.ink is not None and alike(self.ink, self.ground))


_PAPER = _Open("", None, WHITE, tiny=False)


class Sight:
    """Tells what is not seen from the tags that went by and from the page's own style sheets."""

    def __init__(self, markup: str) -> None:
        self._sheets = Sheets(markup)
        self._open: list[_Open] = []
        self._counts: Counter[str] = Counter()  # of the open ones, by tag
        self._last = Look()  # of the tag that was marked last

    @property
    def is_unseen(self) -> bool:
        """Tell whether text that comes now is not seen: too small, or of the colour that is behind it."""
        return len(self._open) >= _MOST_OPEN or bool(self._open and self._open[-1].is_unseen)

    def mark(self, tag: str, attributes: Attributes) -> str:
        """Give `hidden`, `boilerplate`, or nothing for a tag that opens.

        What is only hidden from screen readers (`aria-hidden`) is seen, and stays.
        """
        found = dict(attributes)
        self._last = self._sheets.look(tag, found)
        if tag in ("html", "body"):
            return ""  # hidden until a script shows it: else nothing would be left to hide something among
        if "hidden" in found or (tag == "dialog" and "open" not in found) or self._last.hides:
            return "hidden"
        if tag in _NAVIGATION or (found.get("role") or "").lower() in _ROLES:
            return "boilerplate"
        if tag in _CONTAINERS and _CONSENT.search(f"{found.get('id') or ''} {found.get('class') or ''}"):
            return "boilerplate"
        return ""

    def enter(self, tag: str, *, is_block: bool) -> None:
        """Note that the tag that was marked last is open, and that those end which it closes by opening."""
        self._close_before(_CLOSES.get(tag, {"p"} if is_block else set()))
        said = self._last
        if tag in _FENCES or said.ink is not None or said.ground is not None or said.tiny is not None:
            if len(self._open) < _MOST_OPEN:
                around = self._open[-1] if self._open else _PAPER
                tiny = around.tiny if said.tiny is None else said.tiny
                self._open.append(_Open(tag, said.ink or around.ink, said.ground or around.ground, tiny))
                self._counts[tag] += 1
        elif self._counts[tag]:
            self._open[self._place(tag)].depth += 1

    def leave(self, tag: str) -> None:
        """Note that a tag closes."""
        if not self._counts[tag]:
            return
        place = self._place(tag)
        self._open[place].depth -= 1
        if not self._open[place].depth:
            self._drop(place)

    def _close_before(self, closes: set[str]) -> None:
        if not any(self._counts[tag] for tag in closes):
            return
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place].tag in _FENCES:
                return
            if self._open[place].tag in closes:
                self._drop(place)
                return

    def _place(self, tag: str) -> int:
        return next(place for place in range(len(self._open) - 1, -1, -1) if self._open[place].tag == tag)

    def _drop(self, place: int) -> None:
        """Close a tag, and with it what was left open inside."""
        for gone in self._open[place:]:
            self._counts[gone.tag] -= 1
        del self._open[place:]
