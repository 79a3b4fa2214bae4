"""The first signal is a request, the second one ends the program; afterwards all is as before."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from asr_adapt.errors import Stopped
from asr_adapt.stopping import SIGNALS, StopRequest, stop_on_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_becomes_a_request(number: signal.Signals) -> None:
    with stop_on_signals() as stop:
        stop.check()  # nobody asked yet
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped, match=number.name) as error:
            stop.check()
    assert error.value.exit_code == 75


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as a terminal delivers it: a shell has programs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_second_signal_ends_at_once() -> None:
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_name == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_on_signals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_request_without_a_signal_lets_work_go_on() -> None:
    StopRequest().check()
