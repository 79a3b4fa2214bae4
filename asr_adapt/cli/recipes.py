"""``asr-adapt run``: a whole recipe."""

from __future__ import annotations

from pathlib import Path

import click

from asr_adapt.cli.common import EXIT_CODES, Output, command_line, show, working
from asr_adapt.cli.options import PATH, output_options


@click.command("run", epilog=EXIT_CODES)
@click.argument("recipe", type=PATH)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the recipe; can be repeated.  [default: none]",
)
@click.option("--out", type=PATH, help="Run directory.  [default: runs/<recipe>-<model>-<size>]")
@click.option("--data", "data_dir", type=PATH, help="Prepared data.  [default: data/<size>]")
@output_options
def run_command(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    data_dir: Path | None,
    output: Output,
) -> None:
    """Run a RECIPE: data, adapter, four arms on every test set, report.

    What is done already is not done again: the same command goes on after a stop.

    \b
    asr-adapt run recipes/maritime/recipe.toml --set size=full --set model=whisper-base
    """
    with working(output) as (stop, display):
        from asr_adapt.config import load_recipe
        from asr_adapt.recipe import run_recipe

        config = load_recipe(recipe, overrides)
        label = Path(config.model).name
        out = out or Path("runs") / f"{config.name}-{label}-{config.size}"
        data_dir = data_dir or Path("data") / config.size
        result = run_recipe(
            config, out, data_dir, command=command_line(), stop=stop, display=display
        )
    show(result, out, output)
