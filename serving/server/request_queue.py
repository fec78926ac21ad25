"""Lets a few requests run at once and a bounded number wait for their turn, first come first."""

import collections
import contextlib
import threading
from collections.abc import Iterator

import grpc

from serving.servables.request_errors import RequestError
from serving.server.cancellation import Cancellation


class RequestQueue:
    """A bounded queue. Safe to use from several threads."""

    def __init__(self, max_running: int, max_waiting: int):
        """Makes an empty queue.

        Args:
            max_running: Requests that run at once.
            max_waiting: Requests that may wait; one more is refused at once.
        """
        self._num_free = max_running
        self._max_waiting = max_waiting
        self._turns: collections.deque[threading.Event] = collections.deque()
        self._lock = threading.Lock()

    @property
    def num_waiting(self) -> int:
        """How many wait now."""
        return len(self._turns)

    @contextlib.contextmanager
    def turn(
        self, seconds_left: float | None, cancellation: Cancellation | None = None
    ) -> Iterator[None]:
        """Waits until the request may run, and holds its place while it does.

        Args:
            seconds_left: Until the request's deadline; None where it has none.
            cancellation: Set where the client goes away, whose place is free at once then.

        Raises:
            RequestError: RESOURCE_EXHAUSTED where the queue is full, DEADLINE_EXCEEDED where the
                deadline passes first, CANCELLED where the client is gone first.
        """
        self._enter(seconds_left, cancellation or Cancellation())
        try:
            yield
        finally:
            self._leave()

    def _enter(self, seconds_left: float | None, cancellation: Cancellation) -> None:
        if cancellation.is_set:
            raise _gone()
        with self._lock:
            if self._num_free:
                self._num_free -= 1
                return
            if len(self._turns) >= self._max_waiting:
                raise RequestError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"the server is busy: {self._max_waiting} requests wait already; try again "
                    "later",
                )
            turn = threading.Event()
            self._turns.append(turn)
        has_left = False

        def leave_the_queue() -> None:
            nonlocal has_left
            with self._lock:
                if turn in self._turns:
                    self._turns.remove(turn)
                    has_left = True
            turn.set()

        cancellation.on_set(leave_the_queue)
        limit = threading.TIMEOUT_MAX
        came = turn.wait(limit if seconds_left is None else min(max(seconds_left, 0), limit))
        if has_left:
            raise _gone()
        if came:
            return
        with self._lock:
            if turn not in self._turns:  # it came in this very moment
                return
            self._turns.remove(turn)
        raise RequestError(
            grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the request waited"
        )

    def _leave(self) -> None:
        with self._lock:
            if self._turns:
                self._turns.popleft().set()
            else:
                self._num_free += 1


def _gone() -> RequestError:
    return RequestError(grpc.StatusCode.CANCELLED, "the client is gone")
