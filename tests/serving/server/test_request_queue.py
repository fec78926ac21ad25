import threading

import grpc
import pytest

from serving.servables.request_errors import RequestError
from serving.server.request_queue import RequestQueue


def _wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("waited in vain")


def test_turn_first_come_first_served_and_full_is_refused():
    queue = RequestQueue(max_running=1, max_waiting=3)
    order = []

    def run(number):
        with queue.turn(None):
            order.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    with queue.turn(None):
        for number, thread in enumerate(threads):
            thread.start()
            _wait_until(lambda expected=number + 1: queue.num_waiting == expected)
        with pytest.raises(RequestError, match="3 requests wait already") as caught, queue.turn(5):
            pass
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    for thread in threads:
        thread.join(10)

    assert order == [0, 1, 2]
    assert queue.num_waiting == 0


def test_turn_ends_at_the_deadline_and_leaves_no_trace():
    queue = RequestQueue(max_running=1, max_waiting=1)
    with queue.turn(None):
        with pytest.raises(RequestError) as caught, queue.turn(0.01):
            pass
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert queue.num_waiting == 0

    with queue.turn(0):
        pass


def test_turn_is_given_back_after_a_failure():
    queue = RequestQueue(max_running=1, max_waiting=0)
    with pytest.raises(ZeroDivisionError), queue.turn(None):
        raise ZeroDivisionError

    with queue.turn(0):
        pass
