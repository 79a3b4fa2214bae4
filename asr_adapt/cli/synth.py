"""``asr-adapt synth``: speech to train on, from text."""

from __future__ import annotations

from pathlib import Path

import click

from asr_adapt.cli.common import EXIT_CODES, working
from asr_adapt.cli.options import PATH, SEED
from asr_adapt.settings import CHANNELS


@click.command("synth", epilog=EXIT_CODES)
@click.option(
    "--text",
    type=PATH,
    required=True,
    help="Sentences, one a line; context (A|B) and a spoken form may follow after tabs.",
)
@click.option("--out", type=PATH, required=True, help="Folder for train.jsonl and dev.jsonl.")
@click.option(
    "--voices",
    metavar="LIST",
    help="Voices, separated by commas; 'list' shows them.  [default: hibari and Piper]",
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
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of everything drawn.")
@click.option("--quiet", is_flag=True, help="No progress, only results and errors.")
def synth(
    text: Path,
    out: Path,
    voices: str | None,
    channel: str,
    size: int | None,
    cache: Path | None,
    resume: bool,
    seed: int,
    quiet: bool,
) -> None:
    """Have the domain's own sentences spoken by several voices, for training.

    A tenth of the sentences, and from three voices on the last quarter of the voices, go to dev.
    Digits are read out one by one unless the third cell of a line says how.

    \b
    asr-adapt synth --text calls.txt --channel vhf --out data/spoken
    """
    with working(quiet) as (stop, display):
        from asr_adapt.synth import DEFAULT_VOICES, SynthJob, read_lines, speak_lines
        from asr_adapt.voices import VOICES
        from asr_adapt.weight_cache import cache_root

        if voices == "list":
            click.echo("\n".join(f"{v.name:25s} {v.source}, {v.licence}" for v in VOICES.values()))
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
    for name, rows in spoken.items():
        minutes = sum(row.duration_s for row in rows) / 60
        click.echo(f"{out / name}.jsonl: {len(rows)} utterances, {minutes:.1f} min")
    click.echo(
        f"next: asr-adapt finetune {out / 'train.jsonl'} --dev {out / 'dev.jsonl'} "
        f"--channel {channel} --model MODEL --out ADAPTER"
    )
