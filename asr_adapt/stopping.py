"""Stopping on a signal at a point from which work can go on.

Long loops call `StopRequest.check` where everything done so far is on disk.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from asr_adapt.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class StopRequest:
    """Whether somebody asked the program to stop, and how.

    Attributes:
        way_on: how stopped work is taken up again, for the message.
        signal_name: the signal that came; None while there was none.
    """

    way_on: str = "start it again to go on"
    signal_name: str | None = None

    def check(self) -> None:
        """Raise `Stopped` if a stop was asked for."""
        if self.signal_name:
            raise Stopped(f"stopped by {self.signal_name}; {self.way_on}")

    def between(self, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """Return a callback of progress that ends the work it watches if a stop was asked for."""

        def told(done: int, total: int) -> None:
            self.check()
            progress(done, total)

        return told


@contextmanager
def stop_on_signals(way_on: str = StopRequest.way_on) -> Iterator[StopRequest]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into a request; a second one ends at once."""
    request = StopRequest(way_on)

    def note(number: int, frame: FrameType | None) -> None:
        request.signal_name = signal.Signals(number).name
        for each in SIGNALS:
            signal.signal(each, before[each])

    before = {each: signal.getsignal(each) for each in SIGNALS}
    for each in SIGNALS:
        signal.signal(each, note)
    try:
        yield request
    finally:
        for each in SIGNALS:
            signal.signal(each, before[each])
