"""``asr-adapt tune-bias``: search on dev for the best way to tell what is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import (
    EXIT_CODES,
    Output,
    check_there,
    command_line,
    refuse_prompts_beside,
    working,
)
from asr_adapt.cli.options import (
    OUT_FILE,
    PATH,
    adapter_option,
    batch_option,
    bias_option,
    machine_options,
    model_option,
    normaliser_option,
    output_options,
    prompt_options,
    reading_options,
    split_option,
    strength_option,
)
from asr_adapt.errors import UsageError
from asr_adapt.settings import BIAS_MODES

if TYPE_CHECKING:
    from asr_adapt.context.bias_file import BiasFile, Measured
    from asr_adapt.own_data import ReadingRules


@click.command("tune-bias", epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@model_option
@adapter_option
@strength_option
@bias_option
@click.option("--out", type=OUT_FILE, required=True, help="bias.toml to write.")
@click.option(
    "--examples",
    type=PATH,
    help="Text file with training transcripts, one a line; strategy few-shot is then tried too."
    "  [default: none]",
)
@split_option("dev")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="Utterances decoded for each trial, drawn by seed.",
)
@click.option(
    "--bound",
    type=click.FloatRange(min=0),
    default=0.3,
    show_default=True,
    help="How much the error rate of words outside the list may rise, in percentage points.",
)
@click.option(
    "--modes",
    metavar="LIST",
    default=",".join(BIAS_MODES),
    show_default=True,
    help="Ways of telling to try.",
)
@click.option(
    "--beams", metavar="LIST", default="1,5", show_default=True, help="Beam sizes to try."
)
@batch_option
@click.option("--resume", is_flag=True, help="Go on with a search that was stopped.")
@normaliser_option
@prompt_options
@reading_options
@machine_options
@output_options
def tune_bias_command(
    data: Path,
    model: str,
    adapter: Path | None,
    strength: float | None,
    bias: Path | None,
    out: Path,
    examples: Path | None,
    split: str | None,
    limit: int,
    bound: float,
    modes: str,
    beams: str,
    batch_size: int,
    resume: bool,
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    seed: int,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Search on dev speech for the best way to tell the recogniser what is known.

    DATA is labelled speech of the kind you will decode, but never your test speech: rows marked
    as test are not used. One setting after the other is changed, the best value kept: mode,
    bonus, prompt strategy, order of phrases, beams. The result and every trial go into a file for
    eval --bias-settings.

    \b
    asr-adapt tune-bias dev.csv --model whisper-base --bias ships.txt --out bias.toml
    """
    space_beams = parse_beams(beams)
    space_modes = parse_modes(modes)
    if strength is not None and adapter is None:
        raise UsageError("--strength: needs --adapter, a part of whose change it applies")
    refuse_prompts_beside(adapter)
    check_there(data)
    with working(output) as (stop, display):
        from asr_adapt.base_weights.weights import resolve_weights
        from asr_adapt.context.bias import read_bias_list
        from asr_adapt.context.tune_bias import TuningJob, tune_bias
        from asr_adapt.context.tuning import Space, strategies_to_try
        from asr_adapt.own_data import read_checked, select_for_test
        from asr_adapt.settings import PromptSettings
        from asr_adapt.words.text import check_normaliser, normaliser_for

        check_normaliser(normaliser)
        if split == "test":
            raise UsageError("--split test: test speech must not choose settings; use dev speech")
        shown = read_bias_list(examples) if examples else None
        read = read_checked(data, rules, display, stop)
        dev = select_for_test(read, split, display.say, usual="dev")
        job = TuningJob(
            weights=resolve_weights(model),
            adapter=adapter,
            strength=strength,
            dev=dev,
            dev_name=data.name,
            bias_list=read_bias_list(bias) if bias else None,
            prompts=PromptSettings(prompt_template, prompt_budget),
            normaliser=normaliser_for(normaliser, {u.language for u in dev}).name,
            device=device,
            seed=seed,
            examples=shown,
            limit=limit,
            bound=bound / 100,
            batch_size=batch_size,
            space=Space(
                modes=space_modes,
                strategies=strategies_to_try(examples is not None),
                beams=space_beams,
            ),
            command=tuple(command_line()),
        )
        found = tune_bias(job, out, resume=resume, stop=stop, display=display)
    show_result(found, out, output)


def parse_modes(text: str) -> tuple[str, ...]:
    """Split a list of bias modes.

    Raises:
        UsageError: a mode that does not exist, or none.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or set(names) - set(BIAS_MODES):
        raise UsageError(f"--modes {text!r}: name some of {', '.join(BIAS_MODES)}")
    return names


def parse_beams(text: str) -> tuple[int, ...]:
    """Split a list of beam sizes.

    Raises:
        UsageError: one is no number of beams.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--beams {text!r}: write numbers from 1 with commas between, such as 1,5")
    return tuple(map(int, parts))


def show_result(found: BiasFile, out: Path, output: Output) -> None:
    """Print what telling nothing, the default and the best choice came to."""
    from asr_adapt.context.bias_file import BiasChoice
    from asr_adapt.context.tune_bias import in_words, untold_in_words

    best = found.choice
    measured = {trial.choice: trial.measured for trial in found.trial}
    beams = sorted({BiasChoice().beam_size, best.beam_size})
    rows = [(untold_in_words(size), found.untold_with(size)) for size in beams]
    rows += [(in_words(choice), measured.get(choice)) for choice in (BiasChoice(), best)]
    came_to = {name: result for name, result in rows if result}
    plain = found.untold_with(best.beam_size)
    useless = plain is not None and measured[best].wer >= plain.wer
    record = {
        "settings": str(out),
        "trials": len(found.trial),
        "telling_helps": not useless,
        "dev": [{"telling": name, **asdict(result)} for name, result in came_to.items()],
    }
    output.result(
        record,
        "on dev: WER %, words outside the list %, phrases leaked in 100, seconds of decoding",
        *(f"  {line(result)}  {name}" for name, result in came_to.items()),
        *(["telling nothing is as good on dev: decode without the list"] if useless else []),
        f"settings and {len(found.trial)} trials: {out}",
    )


def line(measured: Measured) -> str:
    """Return one result as a line of a table."""
    outside = "     -" if measured.unbiased_wer is None else f"{100 * measured.unbiased_wer:6.1f}"
    leaks = f"{100 * measured.leak_rate:6.1f}"
    return f"{100 * measured.wer:6.1f} {outside} {leaks} {measured.decode_s:7.1f}"
