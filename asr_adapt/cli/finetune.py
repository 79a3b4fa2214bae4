"""``asr-adapt finetune``: train an adapter on data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import (
    EXIT_CODES,
    Output,
    as_typed,
    check_there,
    command_line,
    refuse_typed,
    working,
)
from asr_adapt.cli.curves import parse_minutes, show_curve
from asr_adapt.cli.options import (
    OUT_FOLDER,
    PATH,
    machine_options,
    model_option,
    normaliser_option,
    output_options,
    prompt_options,
    reading_options,
)
from asr_adapt.settings import (
    CHANNELS,
    METHODS,
    REPORTERS,
    Augmentation,
    LoraSettings,
    PromptSettings,
    ReplaySettings,
    TrainSettings,
)

if TYPE_CHECKING:
    from asr_adapt.adapter import AdapterCard
    from asr_adapt.own_data import ReadingRules


@click.command(epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@model_option
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the adapter.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="lora",
    show_default=True,
    help="What is trained: an adapter or all weights.",
)
@click.option(
    "--dev",
    type=PATH,
    help="Speech to choose step and strength with.  [default: a tenth of DATA, by speaker]",
)
@click.option(
    "--test",
    type=PATH,
    help="Test speech, only to make sure none of it is in DATA.  [default: none]",
)
@click.option(
    "--general",
    type=PATH,
    help="General speech, mixed in so that it is not forgotten; needs no text. Some of its speakers"
    " are set apart to measure with.  [default: none]",
)
@click.option(
    "--general-clips",
    default=ReplaySettings().clips,
    show_default=True,
    help="Mix in at most so many clips of --general, drawn by seed.",
)
@click.option("--epochs", default=3, show_default=True, help="Passes over the data.")
@click.option("--batch-size", default=8, show_default=True, help="Utterances in each step.")
@click.option(
    "--learning-rate",
    type=float,
    help="Peak learning rate, change per step.  [default: 1e-3 for lora, 2e-5 for full]",
)
@click.option(
    "--rank",
    default=16,
    show_default=True,
    help="LoRA rank: numbers per row and column that each matrix gains.",
)
@click.option(
    "--members",
    default=1,
    show_default=True,
    help="Adapters to train from seeds of their own; the mean of what they learned is kept. Each"
    " takes the time of one, so halve --epochs with two.",
)
@click.option(
    "--channel",
    type=click.Choice(CHANNELS),
    default="none",
    show_default=True,
    help="Radio or telephone channel put on rows tagged channel=clean.",
)
@click.option(
    "--report-to",
    type=click.Choice(REPORTERS),
    default="none",
    show_default=True,
    help="Where the Trainer logs as well; for TensorBoard into OUT/tensorboard.",
)
@click.option(
    "--curve",
    metavar="LIST",
    help="Learning curve: minutes of labels, such as 5,10,20,40. One adapter for each in"
    " OUT/<minutes>, all scored on dev, and OUT/curve.json.  [default: none]",
)
@click.option("--allow-leaks", is_flag=True, help="Go on if speech of --test or --dev is in DATA.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@normaliser_option
@prompt_options
@reading_options
@machine_options
@output_options
def finetune(
    data: Path,
    model: str,
    out: Path,
    method: str,
    dev: Path | None,
    test: Path | None,
    general: Path | None,
    general_clips: int,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    rank: int,
    members: int,
    channel: str,
    report_to: str,
    curve: str | None,
    allow_leaks: bool,
    resume: bool,
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    seed: int,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Train an adapter on DATA and choose its step by decoded dev WER.

    Of the steps that are as good as the best within chance the last is kept, as the most settled.
    DATA is a table, a manifest or a folder of audio with text, as eval reads it.

    \b
    asr-adapt finetune train.csv --model whisper-tiny.en --out adapters/calls
    asr-adapt finetune train.csv --model whisper-tiny.en --curve 5,10,20,40 --out curves/calls
    """
    minutes = parse_minutes(curve)
    if method == "full":
        refuse_typed("--method full trains all weights, which have none; leave it out", "rank")
    if general is None:
        refuse_typed("needs --general, speech of which so many clips are taken", "general_clips")
    check_there(data)
    with working(output) as (stop, display):
        from asr_adapt import api
        from asr_adapt.base_weights.weights import resolve_weights
        from asr_adapt.curve.draw import curve_on_dev, run_curve

        session = api.Session(display, stop, command_line())
        if not minutes:
            api.refuse_finished(out, resume)
        job = api.training_job(
            data,
            settings=TrainSettings(
                method=method,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                members=members,
                lora=LoraSettings(rank=rank, alpha=2 * rank),
                augment=Augmentation(channel=channel),
                replay=ReplaySettings(clips=general_clips),
            ),
            dev=dev,
            test=test,
            general=general,
            reading=rules,
            prompts=PromptSettings(prompt_template, prompt_budget),
            normaliser=normaliser,
            seed=seed,
            report_to=report_to,
            allow_leaks=allow_leaks,
            session=session,
        )
        if minutes:
            title = dev.name if dev else f"the dev part of {data.name}"
            points = curve_on_dev(job, minutes, resolve_weights(model), device, title)
            drawn = run_curve(points, out, resume=resume, stop=stop, display=display)
            show_curve(drawn, out, output)
            return
        card = api.train_on(job, model, out, device=device, resume=resume, session=session)
    show_adapter(card, out, model, rules.language, output)


def show_adapter(card: AdapterCard, out: Path, model: str, language: str, output: Output) -> None:
    """Print what was trained and what to do with it."""
    single = next(row["wer"] for row in card.dev_wer if row["step"] == card.chosen_step)
    test = ("TEST", *(("--language", language) if language != "en" else ()))
    best = card.averaged["wer"] if card.averaged and card.averaged["chosen"] else single
    record = {
        "adapter": str(out),
        "chosen_step": card.chosen_step,
        "steps": card.steps,
        "dev_wer": best,
        "strength": card.strength,
        "label_minutes": card.label_minutes,
        "training_s": card.training_s,
        "weights_sha256": card.weights_sha256,
    }
    output.result(
        record,
        f"adapter: {out}  step {card.chosen_step} of {card.steps}, dev WER {100 * best:.1f} %, "
        f"{card.label_minutes:.1f} min of labels, {card.training_s:.0f} s, "
        f"sha256 {card.weights_sha256[:12]}",
        f"next: {as_typed('eval', *test, '--model', model, '--adapter', out, '--out', 'RUN')}",
    )
