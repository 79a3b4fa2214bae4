"""Data of the telephone set: Asterisk's prompts, one clear voice at 8 kHz, to test on only.

Fetches two Debian packages (18 MB) and writes ``test.jsonl`` with the speech beside it. A test of
what fine-tuning on something else has cost. The same size and seed give the same bytes.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from asr_adapt.manifest import write_manifest
from asr_adapt.prepare_script import run_prepare
from asr_adapt.records import Utterance
from asr_adapt.sources.asterisk import CREDIT, SOUND_PACKAGE, TEXT_PACKAGE, find_asterisk
from asr_adapt.sources.debian import fetch_debian
from asr_adapt.sources.prepared import is_prepared, note_prepared

VERSION = 3  # raise it when the same size and seed give other data than before
SIZES = {"demo": 180, "full": 500}  # prompts at most; there are 359 to be scored
SHORTEST_S, LONGEST_S = 1.0, 30.0


def prepare(cache_dir: Path, out_dir: Path, size: str, seed: int) -> None:
    """Make the data, unless it is there.

    Args:
        cache_dir: where the Debian packages are kept.
        out_dir: gets ``test.jsonl``, the folder ``speech`` and ``prepared.json``.
        size: a key of ``SIZES``.
        seed: of the draw.

    Raises:
        EnvironmentProblem: a package cannot be had.
        DataError: it is not what it should be.
    """
    settings = {"recipe": "telephone", "version": VERSION, "size": size, "seed": seed}
    if is_prepared(out_dir, settings):
        click.echo(f"{out_dir}: ready", err=True)
        return
    click.echo(CREDIT, err=True)
    sounds = fetch_debian(SOUND_PACKAGE, cache_dir)
    prompts = find_asterisk(sounds, fetch_debian(TEXT_PACKAGE, cache_dir))
    pool = [prompt for prompt in prompts if SHORTEST_S <= prompt.duration_s <= LONGEST_S]
    drawn = [_copy(prompt, out_dir / "speech") for prompt in draw(pool, SIZES[size], seed)]
    write_manifest(out_dir / "test.jsonl", drawn)
    minutes = sum(prompt.duration_s for prompt in drawn) / 60
    click.echo(f"test.jsonl: {len(drawn)} prompts, {minutes:.1f} minutes", err=True)
    note_prepared(out_dir, settings, ["test.jsonl"])


def draw(prompts: Sequence[Utterance], count: int, seed: int) -> list[Utterance]:
    """Return at most ``count`` prompts by lot, in the order of their ids."""
    pool = sorted(prompts, key=lambda prompt: prompt.utterance_id)
    drawn = random.Random(seed).sample(pool, min(count, len(pool)))  # noqa: S311  no secret
    return sorted(drawn, key=lambda prompt: prompt.utterance_id)


def _copy(prompt: Utterance, folder: Path) -> Utterance:
    """Copy the recording to the data, so that the manifest stays inside its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{prompt.utterance_id}.wav"
    shutil.copyfile(prompt.audio_path, path)
    return replace(prompt, audio_path=path)


if __name__ == "__main__":
    run_prepare(prepare, SIZES)
