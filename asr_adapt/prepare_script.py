"""The command line that all recipes' ``prepare.py`` share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

import click

from asr_adapt.errors import AsrAdaptError, Stopped
from asr_adapt.stopping import SIGNALS

Prepare = Callable[[Path, Path, str, int], None]
"""Makes the data, given the package cache, the data folder, the size and the seed."""


def run_prepare(prepare: Prepare, sizes: Iterable[str]) -> None:
    """Read ``--size --out --cache --seed`` and make the data; ends the program.

    An error of ours becomes one line and its exit code, a signal too: what is made by then is kept.
    """
    for each in SIGNALS:
        signal.signal(each, _stop)

    @click.command(help="Make the data of this recipe.")
    @click.option("--size", type=click.Choice(sorted(sizes)), default="demo", show_default=True)
    @click.option("--out", type=click.Path(path_type=Path), required=True, help="Data folder.")
    @click.option("--cache", type=click.Path(path_type=Path), required=True, help="Package cache.")
    @click.option("--seed", type=int, default=1, show_default=True)
    def command(size: str, out: Path, cache: Path, seed: int) -> None:
        try:
            prepare(cache, out, size, seed)
        except AsrAdaptError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)

    command()


def _stop(number: int, frame: FrameType | None) -> None:
    # After Ctrl-C in a terminal, `asr-adapt run` passes its stop on as well: once is enough.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends at once
    raise Stopped(f"stopped by {signal.Signals(number).name}; the same command goes on")
