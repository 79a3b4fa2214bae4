"""Progress of long work: bars with time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PLAIN_EVERY_S = 15.0

Update = Callable[[int, int], None]


class ProgressDisplay:
    """Progress lines on standard error, one below the other; a context manager.

    Attributes:
        quiet: whether nothing is shown.
        clock: whether each line begins with the seconds since the display was made.
    """

    def __init__(self, quiet: bool = False, clock: bool = False) -> None:
        self.quiet = quiet
        self.clock = clock
        self.began = time.monotonic()
        self.console = Console(stderr=True, quiet=quiet)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> ProgressDisplay:
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        if self.clock:
            line = f"{time.monotonic() - self.began:7.1f} s  {line}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def start(self, title: str) -> Update:
        """Start a line; call what is returned with (done, total)."""
        if not self.console.is_terminal:
            return _PlainLine(self, title).update
        task = self.bars.add_task(_escaped(title), total=None)
        return lambda done, total: self.bars.update(task, completed=done, total=total)

    def start_titled(self) -> Callable[[str, int, int], None]:
        """Return what starts a line whose title changes and goes on with it: (title, done, total).

        The line and its clock start with the first call, for work that has to be got ready first.
        """
        return _TitledLine(self).update


def _escaped(title: str) -> str:
    return title.replace("[", r"\[")


class _PlainLine:
    """Says how far work is when it starts, every `PLAIN_EVERY_S` seconds and when it is done."""

    def __init__(self, display: ProgressDisplay, title: str) -> None:
        self.display = display
        self.title = title
        self.began = time.monotonic()
        self.said = -PLAIN_EVERY_S
        self.first: int | None = None
        self.first_s = 0.0

    def update(self, done: int, total: int) -> None:
        elapsed = time.monotonic() - self.began
        if elapsed - self.said < PLAIN_EVERY_S and done < total:
            return
        self.said = elapsed
        if self.first is None:  # resumed work starts with some of it done
            self.first, self.first_s = done, elapsed
        now_done = done - self.first
        left = (elapsed - self.first_s) * (total - done) / now_done if now_done else 0.0
        time_left = f", about {left:.0f} s left" if now_done and done < total else ""
        self.display.say(f"{self.title}: {done}/{total} in {elapsed:.0f} s{time_left}")


class _TitledLine:
    """A line of either kind that starts with its first update."""

    def __init__(self, display: ProgressDisplay) -> None:
        self.display = display
        self.plain: _PlainLine | None = None
        self.task: TaskID | None = None

    def update(self, title: str, done: int, total: int) -> None:
        if self.display.console.is_terminal:
            self._draw(_escaped(title), done, total)
            return
        if self.plain is None:
            self.plain = _PlainLine(self.display, title)
        self.plain.title = title
        self.plain.update(done, total)

    def _draw(self, title: str, done: int, total: int) -> None:
        bars = self.display.bars
        if self.task is None:
            self.task = bars.add_task(title, total=total)
        bars.update(self.task, description=title, completed=done, total=total)
