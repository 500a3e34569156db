"""What was said a moment ago, and need not be said again."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock


class Lately:
    """Remembers things for a while, the newest of them only."""

    def __init__(self, for_s: float = 60, most: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._for_s = for_s
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._said: OrderedDict[Hashable, float] = OrderedDict()

    def is_new(self, thing: Hashable) -> bool:
        """Tell whether this was not said within the time, and remember that it is now."""
        with self._lock:
            now = self._clock()
            said = self._said.get(thing)
            if said is not None and now - said < self._for_s:
                return False
            self._said[thing] = now
            self._said.move_to_end(thing)
            while len(self._said) > self._most:
                self._said.popitem(last=False)
            return True
