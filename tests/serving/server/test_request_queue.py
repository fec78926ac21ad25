import threading

import grpc
import pytest

from serving.servables.request_errors import RequestError
from serving.server.cancellation import Cancellation
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


def test_a_client_that_goes_away_frees_its_place_at_once():
    queue = RequestQueue(max_running=1, max_waiting=1)
    cancellation, errors = Cancellation(), []

    def wait():
        try:
            with queue.turn(None, cancellation):
                errors.append("ran")
        except RequestError as error:
            errors.append(error.code)

    with queue.turn(None):
        thread = threading.Thread(target=wait)
        thread.start()
        _wait_until(lambda: queue.num_waiting == 1)
        cancellation.set()
        thread.join(5)
        assert errors == [grpc.StatusCode.CANCELLED] and queue.num_waiting == 0
    with queue.turn(0):  # nobody's turn was lost
        pass


def test_a_client_that_was_gone_before_is_not_queued():
    queue, cancellation = RequestQueue(max_running=1, max_waiting=1), Cancellation()
    cancellation.set()
    with pytest.raises(RequestError) as caught, queue.turn(None, cancellation):
        pass
    assert caught.value.code is grpc.StatusCode.CANCELLED
    with queue.turn(0):
        pass
