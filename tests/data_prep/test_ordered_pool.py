import os
import time

import pytest

from data_prep.ordered_pool import OrderedPool, WorkerDiedError


def slow_square(number):
    time.sleep(0.02 if number % 3 == 0 else 0)
    return number * number


def worker_id(number):
    return os.getpid()


def die(number):
    os._exit(9)


def fail(number):
    raise ValueError(f"record {number} is bad")


@pytest.mark.parametrize("num_workers", [1, 2])
def test_map_keeps_the_order(num_workers):
    pool = OrderedPool(slow_square, num_workers)
    try:
        assert list(pool.map(range(40))) == [i * i for i in range(40)]
        assert list(pool.map([])) == []
    finally:
        pool.close()


def test_map_works_in_other_processes_and_takes_no_more_than_it_needs():
    taken = []
    items = (taken.append(i) or i for i in range(10_000))
    pool = OrderedPool(worker_id, 2)
    try:
        results = pool.map(items)
        assert next(results) != os.getpid()
        assert len(taken) <= 100
    finally:
        pool.close()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_map_passes_errors_on(num_workers):
    pool = OrderedPool(fail, num_workers)
    try:
        with pytest.raises(ValueError, match="record 5 is bad"):
            list(pool.map([5]))
    finally:
        pool.close()


def test_map_says_when_a_worker_was_killed():
    pool = OrderedPool(die, 2)
    try:
        with pytest.raises(WorkerDiedError, match="--num_workers"):
            list(pool.map([1]))
    finally:
        pool.close()
