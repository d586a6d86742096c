import os
import signal

import pytest

from lapsrn_jax.training.interrupts import StopRequest


@pytest.fixture
def default():
    """Resets the signal handlers to their defaults for a test, and restores them afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_is_a_wish_and_the_second_acts(default):
    with StopRequest() as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert {number: signal.getsignal(number) for number in default} == default


def test_one_within_another_shares_what_it_hears(default):
    with StopRequest() as outer:
        with StopRequest():
            pass
        assert outer.received is None
        with StopRequest() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner.received == outer.received == signal.SIGTERM
        with StopRequest() as late:
            assert late.received == signal.SIGTERM
