"""``asr-adapt report`` and ``asr-adapt score``: from run directories, without torch."""

from __future__ import annotations

from pathlib import Path

import click

from asr_adapt.cli.common import EXIT_CODES, show
from asr_adapt.cli.options import PATH, SEED


@click.command(epilog=EXIT_CODES)
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, required=True, help="Folder for the report.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals.")
def report(runs: tuple[Path, ...], out: Path, seed: int) -> None:
    """Write report.html, report.md, report.json and errors.txt for one or more RUNS.

    \b
    asr-adapt report runs/base runs/calls --out reports/both
    """
    from asr_adapt.report.build import build_report

    show(build_report(list(runs), out, seed=seed), out)


@click.command(epilog=EXIT_CODES)
@click.argument("run", type=PATH)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals.")
def score(run: Path, seed: int) -> None:
    """Score RUN again from its hypotheses and rewrite its report; needs no torch.

    \b
    asr-adapt score runs/calls
    """
    from asr_adapt.report.build import build_report

    show(build_report([run], run, seed=seed), run)
