"""One thread beside the worker's pool in which sources are read, so that a slow one holds no document up."""

import threading
from collections.abc import Callable


class Follower:
    """Does one round of work at a time in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin a round, unless one is under way."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=work, name="sources", daemon=True)
                self._thread.start()
