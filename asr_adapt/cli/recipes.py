"""``asr-adapt run``: a whole recipe."""

from __future__ import annotations

from pathlib import Path

import click

from asr_adapt.cli.common import EXIT_CODES, Output, command_line, show, working
from asr_adapt.cli.curves import parse_minutes, show_curve
from asr_adapt.cli.options import OUT_FOLDER, PATH, output_options, report_options
from asr_adapt.errors import UsageError


@click.command("run", epilog=EXIT_CODES)
@click.argument("recipe", type=PATH)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the recipe; can be repeated.  [default: none]",
)
@click.option(
    "--out", type=OUT_FOLDER, help="Run directory.  [default: runs/<recipe>-<model>-<size>]"
)
@click.option("--data", "data_dir", type=PATH, help="Prepared data.  [default: data/<size>]")
@click.option(
    "--curve",
    metavar="LIST",
    help="Only draw the learning curve of the recipe's training, on the first test set, into"
    " OUT/curve: minutes of labels, such as 5,10,20,40.  [default: none]",
)
@report_options
@output_options
def run_command(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    data_dir: Path | None,
    curve: str | None,
    also: tuple[str, ...],
    embed_audio: bool,
    log_to: tuple[str, ...],
    output: Output,
) -> None:
    """Run a RECIPE: data, adapter, four arms on every test set, report.

    What is done already is not done again: the same command goes on after a stop.

    \b
    asr-adapt run recipes/maritime/recipe.toml --set size=full --set model=whisper-base
    asr-adapt run recipes/maritime/recipe.toml --curve 5,10,20,40
    """
    minutes = parse_minutes(curve)
    if minutes and (also or embed_audio or log_to):
        raise UsageError("--curve writes no report: leave out --also, --embed-audio and --log-to")
    with working(output) as (stop, display):
        from asr_adapt.config import load_recipe
        from asr_adapt.curve.draw import run_recipe_curve
        from asr_adapt.files import check_out_folder
        from asr_adapt.recipe import run_recipe
        from asr_adapt.reporting.curve import CURVE_FOLDER
        from asr_adapt.reporting.make import ReportWishes

        config = load_recipe(recipe, overrides)
        label = Path(config.model).name
        out = out or Path("runs") / f"{config.name}-{label}-{config.size}"
        if data_dir is None and config.data_dir is not None:
            data_dir = config.folder / config.data_dir
        check_out_folder(out)
        data_dir = data_dir or Path("data") / config.size
        command = command_line()
        if minutes:
            folder = out / CURVE_FOLDER
            drawn = run_recipe_curve(
                config, minutes, folder, data_dir, command=command, stop=stop, display=display
            )
            show_curve(drawn, folder, output)
            return
        result = run_recipe(
            config,
            out,
            data_dir,
            command=command,
            stop=stop,
            display=display,
            wishes=ReportWishes(also, embed_audio, log_to),
        )
    show(result, out, output)
