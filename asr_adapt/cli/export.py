"""``asr-adapt export``: the adapted model in the formats that other programs load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import EXIT_CODES, Output, check_there, command_line, working
from asr_adapt.cli.options import (
    OUT_FOLDER,
    PATH,
    machine_options,
    model_option,
    normaliser_option,
    output_options,
    reading_options,
    split_option,
    strength_option,
)
from asr_adapt.settings import EXPORT_PRECISIONS

if TYPE_CHECKING:
    from asr_adapt.exporting.check import Compared
    from asr_adapt.own_data import ReadingRules


@click.command("export", epilog=EXIT_CODES)
@click.argument("adapter", type=PATH)
@model_option
@strength_option
@click.option(
    "--to",
    type=click.Choice(tuple(EXPORT_PRECISIONS)),
    multiple=True,
    default=["hf"],
    show_default=True,
    help="Format: hf (transformers), ct2 (CTranslate2, faster-whisper), ggml (whisper.cpp); can be"
    " repeated.",
)
@click.option(
    "--precision",
    type=click.Choice(("float32", "float16", "int8")),
    help="Of the weights; int8 for ct2 alone.  [default: float32 of hf, float16 of ct2 and ggml]",
)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for a folder of each format.")
@click.option(
    "--check",
    type=PATH,
    help="Speech by which each format is compared with the adapter; needs no text."
    "  [default: none]",
)
@split_option("test")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Utterances that are compared, drawn by seed.",
)
@normaliser_option
@reading_options
@machine_options
@output_options
def export_command(
    adapter: Path,
    model: str,
    strength: float | None,
    to: tuple[str, ...],
    precision: str | None,
    out: Path,
    check: Path | None,
    split: str | None,
    limit: int,
    normaliser: str,
    device: str,
    seed: int,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Write the model with ADAPTER merged in, for other programs to load.

    With --check, clips are decoded by the adapter and by the program that reads each format, and
    what differs is shown: programs compute the full window of 30 s, where the adapter is measured
    in its own, and some round otherwise. A format that writes other words ends with exit code 4.

    \b
    asr-adapt export adapters/calls --model whisper-base --to ct2 --check test.csv --out deploy
    asr-adapt export adapters/calls --model whisper-base --to ct2 --precision int8 --out small
    """
    if check is not None:
        check_there(check)
    with working(output) as (stop, display):
        from asr_adapt import api
        from asr_adapt.exporting.export import compared_record

        done = api.export(
            adapter,
            model=model,
            out=out,
            to=to,
            precision=precision,
            strength=strength,
            check=check,
            split=split,
            limit=limit,
            reading=rules,
            normaliser=normaliser,
            device=device,
            seed=seed,
            session=api.Session(display, stop, command_line()),
        )
        for form in done.unread:
            display.say(f"{form}: not compared; pip install 'asr-adapt[export]' for what reads it")
    output.result(
        {
            "folders": {form: str(folder) for form, folder in done.folders.items()},
            "compared": [compared_record(each) for each in done.compared],
        },
        *map(line, done.compared),
        *(f"{form}: {folder}" for form, folder in done.folders.items()),
    )


def line(each: Compared) -> str:
    """Say in a line how one way of decoding did."""
    wer = "" if each.errors.rate is None else f"WER {100 * each.errors.rate:5.1f} %  "
    if each.changed is None:
        return f"{each.name:<20}{wer}{each.clips} clips"
    words = f"{each.changed.errors} of {each.changed.reference_length} words differ"
    return f"{each.name:<20}{wer}{words}, {each.same} of {each.clips} clips the same"
