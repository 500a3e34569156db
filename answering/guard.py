"""The last look at an answer before anybody sees it: nothing in it may act, and nothing be told that was not asked."""

from collections.abc import Sequence

from answering.inert import Inert
from answering.leaks import Leaks
from answering.pack import Source
from answering.prompt import NOT_ANSWERED, SYSTEM

WITHHELD = "[withheld]"


class Guard:
    """Passes a model's text piece by piece; `flags` says what it withheld, changed or removed."""

    def __init__(self, question: str, sources: Sequence[Source], mark: str, hosts: Sequence[str]) -> None:
        passages = [passage for source in sources for passage in source.passages]
        texts = [passage.text for passage in passages]
        known = [question, *(name for p in passages for name in (p.title, *p.heading_path))]
        self._leaks = Leaks(SYSTEM, mark, texts, [*known, NOT_ANSWERED])
        self._inert = Inert([*texts, *known], hosts)
        self._reasons: set[str] = set()
        self._withholding = False

    @property
    def flags(self) -> set[str]:
        return self._reasons | self._inert.flags

    @property
    def links(self) -> list[str]:
        return self._inert.links

    def withholds(self, text: str) -> bool:
        """Tell whether this piece must not be shown at all."""
        reason = self._leaks.reason(text)
        if reason:
            self._reasons.add(reason)
        return bool(reason)

    def notice(self, text: str) -> str:
        """Give what stands in place of withheld pieces, once for those in a row."""
        if self._withholding:
            return ""
        self._withholding = True
        return self._inert.clean(WITHHELD + text[len(text.rstrip()) :])

    def clean(self, text: str) -> str:
        """Make a piece that is shown inert."""
        self._withholding = False
        return self._inert.clean(text)
