"""Word pieces of a whole document, counted once and asked often."""

from array import array
from bisect import bisect_left

from moat.embedder import Embedder

_WINDOW = 100_000
# A tokenizer gives one piece for a "word" as long as this (base64, a hash): parts of it would become many pieces.
_GIANT = 60
_GIANT_STEP = 4
_GIANT_TAIL = 100


class TokenMap:
    """Where each word piece of a text begins."""

    def __init__(self, text: str, embedder: Embedder) -> None:
        self._starts = array("L")
        at = 0
        while at < len(text):
            end = _window_end(text, at)
            for start, stop in embedder.token_spans(text[at:end]):
                if stop - start < _GIANT:
                    self._starts.append(at + start)
                else:
                    self._append_giant(at + start, at + stop)
            at = end

    def count(self, start: int, end: int) -> int:
        """Count the pieces that begin in [start, end)."""
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def reach(self, start: int, limit: int) -> int | None:
        """Give where the piece after the next `limit` ones begins, or None when there are no more than that."""
        index = bisect_left(self._starts, start) + limit
        return self._starts[index] if index < len(self._starts) else None

    def _append_giant(self, start: int, stop: int) -> None:
        tail = max(start, stop - _GIANT_TAIL)
        self._starts.extend(range(start, tail, _GIANT_STEP))
        self._starts.extend(range(tail, stop))


def _window_end(text: str, at: int) -> int:
    """End a window at white space, so that no word is cut in two; a word larger than a window is."""
    end = at + _WINDOW
    if end >= len(text):
        return len(text)
    for back in range(end, end - _WINDOW // 10, -1):
        if text[back].isspace():
            return back
    return end
