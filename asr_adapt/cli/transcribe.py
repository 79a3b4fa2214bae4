"""``asr-adapt transcribe``: recordings of any length to text with times."""

from __future__ import annotations

from pathlib import Path

import click

from asr_adapt.cli.common import EXIT_CODES, Output, refuse_prompts_beside, refuse_typed, working
from asr_adapt.cli.options import (
    OUT_FOLDER,
    PATH,
    adapter_option,
    batch_size_option,
    beam_option,
    bias_option,
    device_option,
    model_option,
    output_options,
    prompt_options,
)


@click.command("transcribe", epilog=EXIT_CODES)
@click.argument("audio", type=PATH, nargs=-1, required=True)
@model_option
@adapter_option
@bias_option
@click.option(
    "--bias-settings",
    type=PATH,
    help="bias.toml of tune-bias: how phrases are told, and with how many beams.  [default: none]",
)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the transcripts.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["txt", "srt", "vtt", "json"]),
    multiple=True,
    default=["srt"],
    show_default=True,
    help="What to write; may be given several times.",
)
@click.option("--language", default="en", show_default=True, help="ISO 639-1 code of the speech.")
@click.option(
    "--speech-threshold",
    default=0.5,
    show_default=True,
    help="Probability from which a sound is speech, 0 to 1; lower finds fainter voices.",
)
@beam_option
@batch_size_option("Stretches")
@prompt_options
@device_option
@output_options
def transcribe_command(
    audio: tuple[Path, ...],
    model: str,
    adapter: Path | None,
    bias: Path | None,
    bias_settings: Path | None,
    out: Path,
    formats: tuple[str, ...],
    language: str,
    speech_threshold: float,
    beam_size: int,
    batch_size: int,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    output: Output,
) -> None:
    """Write down what is said in each AUDIO file, with times.

    Speech is found in recordings of any length and decoded in stretches of at most 28 s. Stopped
    work goes on when the same command is given again. A recording that cannot be decoded whole is
    not written, and tried again then.

    \b
    asr-adapt transcribe watch.wav --model whisper-tiny.en --adapter adapters/calls --out texts
    """
    if bias_settings:
        refuse_typed("--bias-settings says that; leave one out", "beam_size")
    refuse_prompts_beside(adapter)
    with working(output) as (stop, display):
        from asr_adapt import api
        from asr_adapt.context.bias_file import read_bias_file
        from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings

        telling = BiasSettings()
        if bias_settings:
            told = read_bias_file(bias_settings)
            telling, beam_size = told.bias, told.beam_size
        written = api.transcribe(
            audio,
            model=model,
            out=out,
            adapter=adapter,
            bias=bias,
            telling=telling,
            formats=formats,
            language=language,
            speech_threshold=speech_threshold,
            prompts=PromptSettings(prompt_template, prompt_budget),
            decode=DecodeSettings(batch_size, beam_size),
            device=device,
            session=api.Session(display, stop),
        )
    paths = [str(path) for path in written]
    output.result({"written": paths}, *paths)
