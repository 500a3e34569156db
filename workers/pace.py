"""Work that holds others up, spread so that they get most of the time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A tenth of the time at most: a large collection answers nobody while it is rewritten.
_REST = 9


class Pace:
    """After each piece of work, a rest in proportion to what it took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests_until = clock()

    @property
    def rests(self) -> bool:
        """Tell whether the rest after the last piece of work still lasts."""
        return self._clock() < self._rests_until

    @contextmanager
    def working(self) -> Iterator[None]:
        """Do a piece of work; the rest after it begins when it ends, however it does."""
        started = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            self._rests_until = ended + _REST * (ended - started)
