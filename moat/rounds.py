"""One forward pass at a time over everything that several threads have asked for meanwhile."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from moat.records import Vector

Encode = Callable[[list[str]], Vector]
# Enough for full batches; more would let one long document keep the short ones beside it waiting.
ROUND_TEXTS = 128


@dataclass(slots=True)
class _Request:
    texts: Sequence[str]
    vectors: Vector | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


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
        while not request.done.is_set():
            with self._turn:
                if not request.done.is_set():
                    self._run(self._next())
        if request.error is not None:
            raise request.error
        assert request.vectors is not None
        return request.vectors

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
            for request in taken:
                request.vectors = vectors[[unique[text] for text in request.texts]]
        except BaseException as error:  # whoever waits must hear of it, whatever it was
            for request in taken:
                request.error = error
        finally:
            for request in taken:
                request.done.set()
