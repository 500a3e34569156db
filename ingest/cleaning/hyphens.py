"""Words cut at a line's end: joined again, with or without the hyphen, as the rest of the document writes them."""

import re
from collections.abc import Iterable

from moat.records import Element

_CUT = re.compile(r"(?P<head>[^\W\d_]{2,})-[ \t]*\n[ \t]*(?P<tail>[^\W\d_]{2,})")
_HYPHENATED = re.compile(r"[^\W\d_]{2,}-[^\W\d_]{2,}")


class Hyphens:
    """Knows which hyphens a document writes inside its lines."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._elements = tuple(elements)
        self._written: set[str] | None = None

    def join(self, text: str) -> tuple[str, int]:
        """Join `exam-⏎ple`; `well-⏎known` keeps its hyphen when the document writes `well-known` elsewhere."""
        joined = 0

        def whole(cut: re.Match[str]) -> str:
            nonlocal joined
            head, tail = cut["head"], cut["tail"]
            if not tail[0].islower():  # Anglo-⏎American, or a dash
                return cut[0]
            joined += 1
            return f"{head}-{tail}" if f"{head}-{tail}".lower() in self._known() else head + tail

        return _CUT.sub(whole, text), joined

    def _known(self) -> set[str]:
        if self._written is None:
            self._written = {word.lower() for e in self._elements for word in _HYPHENATED.findall(e.text)}
        return self._written
