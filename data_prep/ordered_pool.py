"""Work spread over processes, results in the order of the work, with a bounded amount underway."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

_CHUNK_SIZE = 8
_CHUNKS_PER_WORKER = 3


class WorkerDiedError(ChildProcessError):
    """A worker process was killed, for want of memory most likely."""


class OrderedPool:
    """Applies one picklable function in worker processes.

    Args:
        function: called once per item; its module must be quick to import.
        num_workers: processes; 1 works in the calling process.
    """

    def __init__(self, function: Callable[[Any], Any], num_workers: int):
        self._function = function
        self._num_workers = num_workers
        self._executor = None
        if num_workers > 1:
            # Spawned rather than forked: TensorFlow's threads do not survive a fork.
            self._executor = ProcessPoolExecutor(
                num_workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(function,),
            )

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yields function(item) in the order of items; holds a few chunks, however many items.

        Raises:
            WorkerDiedError: A worker process was killed.
        """
        if self._executor is None:
            yield from map(self._function, items)
            return
        items = iter(items)
        chunks = iter(lambda: list(islice(items, _CHUNK_SIZE)), [])
        underway: deque[Future] = deque()
        try:
            for chunk in islice(chunks, self._num_workers * _CHUNKS_PER_WORKER):
                underway.append(self._executor.submit(_work, chunk))
            while underway:
                yield from underway.popleft().result()
                for chunk in islice(chunks, 1):
                    underway.append(self._executor.submit(_work, chunk))
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                "a worker process was killed, most likely for want of memory; use fewer "
                "(--num_workers)."
            ) from error

    def close(self) -> None:
        """Ends the worker processes; what is underway is given up."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


_worker_function: Callable[[Any], Any] | None = None


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _worker_function
    _worker_function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    # A killed parent would leave its workers waiting for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _work(chunk: list[Any]) -> list[Any]:
    if _worker_function is None:
        raise RuntimeError("the worker was not told its function")
    return [_worker_function(item) for item in chunk]
