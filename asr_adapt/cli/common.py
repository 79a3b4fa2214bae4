"""What every command does alike: listen to signals, show progress, print a report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.report.results import Report
    from asr_adapt.stopping import StopRequest

EXIT_CODES = """\b
Exit codes: 0 done, 2 usage, 3 bad data, 4 environment, 75 stopped and resumable."""


@contextmanager
def working(quiet: bool) -> Iterator[tuple[StopRequest, ProgressDisplay]]:
    """Listen to signals and show progress while a command works."""
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.stopping import stop_on_signals

    with stop_on_signals() as stop, ProgressDisplay(quiet) as display:
        display.say("asr-adapt starts")
        yield stop, display


def command_line() -> list[str]:
    """Return the command as it was typed."""
    return ["asr-adapt", *sys.argv[1:]]


def show(report: Report, out_dir: Path) -> None:
    """Print the table of a report and where it lies."""
    from rich.console import Console

    from asr_adapt.report.console import render_table

    Console(soft_wrap=True).print(render_table(report))
    click.echo(f"report: {out_dir / 'report.html'}")
