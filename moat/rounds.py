"""One forward pass at a time over everything that several threads have asked for meanwhile."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from moat.records import Vector

Encode = Callable[[list[str]], Vector]
# Enough for full batches; more would let one long document keep the short ones beside it waiting.
ROUND_TEXTS = 128


@dataclass(slots=True)
class _Request:
    texts: Sequence[str]
    vectors: "Future[Vector]" = field(default_factory=Future)


class Rounds:
    """Gathers texts while a pass runs, so that many documents of one chunk cost no more than one of many.

    Two passes at once would only fight over the cores. Whoever's turn comes encodes for all that wait, oldest first,
    so that nobody waits on a clock for company, and nobody longer than one round after the one that runs.
    """

    def __init__(self, encode: Encode, round_texts: int = ROUND_TEXTS) -> None:
        self._encode = encode
        self._round_texts = round_texts
        self._waiting: deque[_Request] = deque()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vector:
        """Encode the texts, in a round of their own or with others; raises what their round raised."""
        request = _Request(texts)
        with self._lock:
            self._waiting.append(request)
        while not request.vectors.done():
            with self._turn:
                if not request.vectors.done():
                    self._run(self._next())
        return request.vectors.result()

    def _next(self) -> list[_Request]:
        with self._lock:
            taken = [self._waiting.popleft()]
            room = self._round_texts - len(taken[0].texts)
            while self._waiting and len(self._waiting[0].texts) <= room:
                taken.append(self._waiting.popleft())
                room -= len(taken[-1].texts)
        return taken

    def _run(self, taken: list[_Request]) -> None:
        unique = {text: row for row, text in enumerate(dict.fromkeys(text for r in taken for text in r.texts))}
        try:
            vectors = self._encode(list(unique))
        except BaseException as error:  # noqa: BLE001 (raised again by everyone who waits for this round)
            for request in taken:
                request.vectors.set_exception(error)
            return
        for request in taken:
            request.vectors.set_result(vectors[[unique[text] for text in request.texts]])
