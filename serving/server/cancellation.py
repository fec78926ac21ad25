"""A client that goes away: whoever works or waits for it is told at once."""

import threading
from collections.abc import Callable


class Cancellation:
    """Set once, from any thread; what was asked to be called then is called then, or at once."""

    def __init__(self):
        self._lock = threading.Lock()
        self._is_set = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether the client is gone."""
        return self._is_set

    def set(self) -> None:
        """Tells that the client is gone, or that its request has ended."""
        with self._lock:
            if self._is_set:
                return
            self._is_set = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> None:
        """Has a function called when it is set; at once where it is."""
        with self._lock:
            if not self._is_set:
                self._callbacks.append(callback)
                return
        callback()
