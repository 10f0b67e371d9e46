import threading
import time

import pytest

from inference_server.people.ahead import ahead


def threads():
    return [t for t in threading.enumerate() if t.name == "ahead"]


def test_everything_in_order():
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert not threads()


def test_an_error_comes_through_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    got = ahead(items())
    assert next(got) == 1
    with pytest.raises(ValueError, match="broken"):
        next(got)
    assert not threads()


def test_stopping_early_ends_the_thread_and_closes_the_source():
    closed = threading.Event()

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.set()

    got = ahead(items())
    assert next(got) == 0
    got.close()
    assert closed.is_set()
    assert not threads()


def test_it_does_not_run_far_ahead():
    made = []

    def items():
        for n in range(100):
            made.append(n)
            yield n

    got = ahead(items(), size=3)
    next(got)
    time.sleep(0.3)
    assert len(made) <= 6
    got.close()
