"""``asr-adapt new-recipe``: a recipe of one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import EXIT_CODES, Output, as_typed, working
from asr_adapt.cli.options import (
    OUT_FOLDER,
    PATH,
    output_options,
    reading_options,
    seed_option,
    share_options,
)

if TYPE_CHECKING:
    from asr_adapt.own_data import ReadingRules


@click.command("new-recipe", epilog=EXIT_CODES)
@click.argument("name")
@click.option(
    "--from", "data", type=PATH, required=True, help="Labelled speech of any format that is read."
)
@click.option(
    "--out",
    type=OUT_FOLDER,
    default=Path("recipes"),
    show_default=True,
    help="Folder in which the recipe's folder is made.",
)
@click.option(
    "--model",
    default="whisper-tiny.en",
    show_default=True,
    help="Base model that the recipe names: short name, id on the hub, or folder.",
)
@share_options
@reading_options
@seed_option
@output_options
def new_recipe(
    name: str,
    data: Path,
    out: Path,
    model: str,
    dev_share: float,
    test_share: float,
    seed: int,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Write a recipe called NAME of your own data, for asr-adapt run.

    The data is split by its split column, else by speaker, else by recording; sounds are copied
    into the recipe's folder, which can then be moved. A speaker who is to be tested on is never
    trained on: data that cannot be split so is refused.

    \b
    asr-adapt new-recipe calls --from calls.csv
    asr-adapt run recipes/calls/recipe.toml
    """
    with working(output) as (stop, display):
        from asr_adapt.own_data import read_checked
        from asr_adapt.own_recipe import NewRecipe, refuse_existing, write_recipe

        wanted = NewRecipe(name, str(data), model, dev_share, test_share, seed)
        refuse_existing(out / name)
        counts = write_recipe(
            read_checked(data, rules, display, stop),
            wanted,
            out,
            notice=display.say,
            progress=display.start("copying sounds"),
            stop=stop,
        )
    recipe = out / name / "recipe.toml"
    output.result(
        {"recipe": str(recipe), "utterances": counts},
        f"{recipe}: " + ", ".join(f"{part} {count}" for part, count in counts.items()),
        f"next: {as_typed('run', recipe)}",
    )
