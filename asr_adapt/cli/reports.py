"""``asr-adapt report`` and ``asr-adapt score``: from run directories, without torch."""

from __future__ import annotations

from pathlib import Path

import click

from asr_adapt.cli.common import EXIT_CODES, Output, command_line, show, working
from asr_adapt.cli.options import OUT_FOLDER, PATH, SEED, output_options, report_options


@click.command(epilog=EXIT_CODES)
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the report.")
@click.option(
    "--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals, a number."
)
@click.option(
    "--curve",
    type=PATH,
    help="Learning curve to show: the curve.json of finetune.  [default: RUN/curve/curve.json]",
)
@report_options
@output_options
def report(
    runs: tuple[Path, ...],
    out: Path,
    seed: int,
    curve: Path | None,
    also: tuple[str, ...],
    embed_audio: bool,
    log_to: tuple[str, ...],
    output: Output,
) -> None:
    """Write report.html, report.md, report.json and errors.txt for one or more RUNS.

    \b
    asr-adapt report runs/base runs/calls --out reports/both
    asr-adapt report runs/calls --out reports/calls --also csv --also stm
    asr-adapt report runs/calls --curve curves/calls/curve.json --out reports/calls
    asr-adapt report runs/calls --embed-audio --log-to tensorboard --out mail
    """
    with working(output) as (stop, display):
        from asr_adapt import api

        session = api.Session(display, stop, command_line())
        built = api.report(
            runs,
            out,
            seed=seed,
            also=also,
            embed_audio=embed_audio,
            log_to=log_to,
            curve=curve,
            session=session,
        )
    show(built, out, output)


@click.command(epilog=EXIT_CODES)
@click.argument("run", type=PATH)
@click.option(
    "--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals, a number."
)
@report_options
@output_options
def score(
    run: Path,
    seed: int,
    also: tuple[str, ...],
    embed_audio: bool,
    log_to: tuple[str, ...],
    output: Output,
) -> None:
    """Score RUN again from its hypotheses and rewrite its report; needs no torch.

    \b
    asr-adapt score runs/calls
    """
    with working(output) as (stop, display):
        from asr_adapt import api

        session = api.Session(display, stop, command_line())
        built = api.report(
            run,
            run,
            seed=seed,
            also=also,
            embed_audio=embed_audio,
            log_to=log_to,
            session=session,
        )
    show(built, run, output)
