"""``asr-adapt eval``: decode data with every arm that applies, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import (
    EXIT_CODES,
    Output,
    check_there,
    command_line,
    refuse_prompts_beside,
    refuse_typed,
    show,
    working,
)
from asr_adapt.cli.options import (
    OUT_FOLDER,
    PATH,
    adapter_option,
    batch_option,
    beam_option,
    bias_option,
    machine_options,
    model_option,
    normaliser_option,
    output_options,
    prompt_options,
    reading_options,
    report_options,
    split_option,
    strength_option,
)
from asr_adapt.errors import UsageError
from asr_adapt.records import ARMS
from asr_adapt.settings import BIAS_MODES, BoostSettings

if TYPE_CHECKING:
    from asr_adapt.own_data import ReadingRules


@click.command("eval", epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@model_option
@adapter_option
@strength_option
@bias_option
@click.option(
    "--bias-mode",
    type=click.Choice(BIAS_MODES),
    default="prompt",
    show_default=True,
    help="How phrases are told: in the prompt, boosted in the search, both, or both with those"
    " that a first pass found likely.",
)
@click.option(
    "--boost-bonus",
    type=float,
    default=BoostSettings().bonus,
    show_default=True,
    help="What a boosted phrase's first token is worth, in nats; later ones are worth more.",
)
@click.option(
    "--bias-settings",
    type=PATH,
    help="bias.toml of tune-bias; instead of --bias-mode, --boost-bonus and --beam-size."
    "  [default: none]",
)
@click.option(
    "--examples",
    type=PATH,
    help="Text file with training transcripts, one a line, for prompts of strategy few-shot."
    "  [default: none]",
)
@click.option("--out", type=OUT_FOLDER, required=True, help="Run directory to write.")
@click.option(
    "--arms",
    metavar="LIST",
    default=",".join(ARMS),
    show_default=True,
    help="Arms to decode, of those that apply.",
)
@click.option(
    "--general",
    type=PATH,
    help="General speech with its text, to see what the adapter forgot.  [default: none]",
)
@split_option("test")
@beam_option
@batch_option
@click.option("--allow-leaks", is_flag=True, help="Go on if test speech was trained or tuned on.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@report_options
@normaliser_option
@prompt_options
@reading_options
@machine_options
@output_options
def eval_command(
    data: Path,
    model: str,
    adapter: Path | None,
    strength: float | None,
    bias: Path | None,
    bias_mode: str,
    boost_bonus: float,
    bias_settings: Path | None,
    examples: Path | None,
    out: Path,
    arms: str,
    general: Path | None,
    split: str | None,
    beam_size: int,
    batch_size: int,
    allow_leaks: bool,
    resume: bool,
    also: tuple[str, ...],
    embed_audio: bool,
    log_to: tuple[str, ...],
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    seed: int,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Decode DATA with every arm that applies, and compare.

    DATA is a CSV or TSV with columns audio and text (speaker, context if you have them), a
    manifest, or a folder of audio with one .txt each. Without context and --bias there are no
    +bias arms; without --adapter no lora arms.

    \b
    asr-adapt eval calls.csv --model whisper-base --bias ships.txt --out runs/ships
    asr-adapt eval calls.csv --model whisper-base --bias ships.txt --bias-mode boost --out runs/b
    """
    check_there(data)
    if bias_settings:
        said = "--bias-settings says that; leave one out"
        refuse_typed(said, "bias_mode", "boost_bonus", "beam_size")
    refuse_prompts_beside(adapter)
    with working(output) as (stop, display):
        from asr_adapt import api
        from asr_adapt.context.bias_file import BiasChoice, read_bias_file
        from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings

        choice = BiasChoice(BiasSettings(bias_mode, BoostSettings(bonus=boost_bonus)), beam_size)
        tuned_on: tuple[str, ...] = ()
        if bias_settings:
            found = read_bias_file(bias_settings)
            choice, tuned_on = found.choice, found.tuned_on
        elif not choice.bias.boosts:
            refuse_typed("--bias-mode prompt boosts nothing", "boost_bonus")
        if choice.bias.strategy != "few-shot":
            refuse_typed("only prompts of strategy few-shot show them", "examples")
        report = api.evaluate(
            data,
            model=model,
            out=out,
            adapter=adapter,
            strength=strength,
            bias=bias,
            telling=choice.bias,
            tuned_on=tuned_on,
            examples=examples,
            general=general,
            split=split,
            arms=parse_arms(arms),
            reading=rules,
            prompts=PromptSettings(prompt_template, prompt_budget),
            decode=DecodeSettings(batch_size, choice.beam_size),
            normaliser=normaliser,
            device=device,
            seed=seed,
            also=also,
            embed_audio=embed_audio,
            log_to=log_to,
            allow_leaks=allow_leaks,
            resume=resume,
            session=api.Session(display, stop, command_line()),
        )
    show(report, out, output)


def parse_arms(text: str) -> tuple[str, ...]:
    """Split a list of arms.

    Raises:
        UsageError: an arm that does not exist.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in ARMS:
            raise UsageError(f"--arms: '{name}' is unknown (known: {', '.join(ARMS)})")
    return names
