"""``asr-adapt synth``: speech to train on, from text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asr_adapt.cli.common import EXIT_CODES, Output, as_typed, working
from asr_adapt.cli.options import OUT_FOLDER, PATH, output_options, seed_option
from asr_adapt.settings import CHANNELS

LIST = "list"
"""Stands for voices: they are only shown."""


class NeededToSpeak(click.Option):
    """An option that is required unless voices are only shown."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value; ``--voices`` is eager and known by now."""
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            if ctx.params.get("voices") == LIST:
                return None
            raise


@click.command("synth", epilog=EXIT_CODES)
@click.option(
    "--text",
    cls=NeededToSpeak,
    type=PATH,
    required=True,
    help="Sentences, one a line; context (A|B) and a spoken form may follow after tabs.",
)
@click.option(
    "--out",
    cls=NeededToSpeak,
    type=OUT_FOLDER,
    required=True,
    help="Folder for train.jsonl and dev.jsonl.",
)
@click.option(
    "--voices",
    metavar="LIST",
    is_eager=True,
    help="Voices, separated by commas; 'list' alone shows them.  [default: hibari and Piper]",
)
@click.option(
    "--channel",
    type=click.Choice(CHANNELS),
    default="none",
    show_default=True,
    help="What dev speech is sent through, and training speech by finetune.",
)
@click.option("--size", type=int, help="Utterances in all.  [default: each sentence twice]")
@click.option("--cache", type=PATH, help="Folder for programs and models.  [default: as weights]")
@click.option("--resume", is_flag=True, help="Go on with work that was stopped.")
@seed_option
@output_options
def synth(
    text: Path | None,
    out: Path | None,
    voices: str | None,
    channel: str,
    size: int | None,
    cache: Path | None,
    resume: bool,
    seed: int,
    output: Output,
) -> None:
    """Have the domain's own sentences spoken by several voices, for training.

    A tenth of the sentences, and from three voices on the last quarter of the voices, go to dev.
    Digits are read out one by one unless the third cell of a line says how.

    \b
    asr-adapt synth --text calls.txt --channel vhf --out data/spoken
    """
    with working(output) as (stop, display):
        from asr_adapt.base_weights.weight_cache import cache_root
        from asr_adapt.unlabelled.synth import DEFAULT_VOICES, SynthJob, read_lines, speak_lines

        if text is None or out is None or voices == LIST:
            show_voices(output)
            return
        names = DEFAULT_VOICES if voices is None else tuple(v.strip() for v in voices.split(","))
        lines = read_lines(text)
        job = SynthJob(lines, names, size or 2 * len(lines), channel, seed)
        spoken = speak_lines(
            job,
            out,
            cache or cache_root() / "voices",
            resume=resume,
            stop=stop,
            notice=display.say,
            progress=display.start(f"speaking {text.name}"),
        )
    minutes = {name: sum(row.duration_s for row in rows) / 60 for name, rows in spoken.items()}
    made = [
        {"manifest": str(out / f"{name}.jsonl"), "utterances": len(rows), "minutes": minutes[name]}
        for name, rows in spoken.items()
    ]
    training = ("finetune", out / "train.jsonl", "--dev", out / "dev.jsonl", "--channel", channel)
    output.result(
        {"manifests": made},
        *(
            f"{out / name}.jsonl: {len(rows)} utterances, {minutes[name]:.1f} min"
            for name, rows in spoken.items()
        ),
        f"next: {as_typed(*training, '--model', 'MODEL', '--out', 'ADAPTER')}",
    )


def show_voices(output: Output) -> None:
    """Print the voices that can be named."""
    from asr_adapt.voices import VOICES

    voices = [{"name": v.name, "source": v.source, "licence": v.licence} for v in VOICES.values()]
    lines = ("{name:25s} {source}, {licence}".format(**voice) for voice in voices)
    output.result({"voices": voices}, *lines)
