"""Data of the dialogue recipe: voice-acted English, split by voice artist, names as context.

Fetches one Debian package (35 MB) and writes ``train.jsonl``, ``dev.jsonl`` and ``test.jsonl``
with the speech beside them, as it was recorded, and ``general.jsonl``: further lines of the voices
of training, and some of dev's to measure with, whose text nobody reads. The same size and seed
give the same bytes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from asr_adapt.manifest import write_manifest
from asr_adapt.prepare_script import run_prepare
from asr_adapt.records import Utterance
from asr_adapt.sources.debian import fetch_debian
from asr_adapt.sources.fotaq import CREDIT, PACKAGE, read_fotaq, split_speakers
from asr_adapt.sources.prepared import is_prepared, note_prepared

VERSION = 3  # raise it when the same size and seed give other data than before
SIZES = {"demo": (300, 40, 80, 100, 20), "full": (2600, 150, 400, 400, 80)}
"""Lines to train, dev, test and general at most, and of dev's voices among the general."""
SHORTEST_S, LONGEST_S = 1.0, 15.0
NAMED_SHARE = 0.5  # of dev and test, as far as there are lines that say a name of their scene


def prepare(cache_dir: Path, out_dir: Path, size: str, seed: int) -> None:
    """Make the data, unless it is there.

    Args:
        cache_dir: where the Debian package is kept.
        out_dir: gets four manifests, the folder ``speech`` and ``prepared.json``.
        size: a key of ``SIZES``.
        seed: of the draw.

    Raises:
        EnvironmentProblem: the package cannot be had.
        DataError: it is not what it should be.
    """
    settings = {"recipe": "dialogue", "version": VERSION, "size": size, "seed": seed}
    if is_prepared(out_dir, settings):
        click.echo(f"{out_dir}: ready", err=True)
        return
    click.echo(CREDIT, err=True)
    game_dir = fetch_debian(PACKAGE, cache_dir)
    split = split_speakers(_of_length(read_fotaq(game_dir, out_dir / "speech")))
    n_train, n_dev, n_test, n_general, n_unheard = SIZES[size]
    test = draw_named(split.test, n_test, seed)
    dev_lines = without_phrases(split.dev, _contexts(test))
    dev = draw_named(dev_lines, n_dev, seed)
    # Lines of voices that are trained on would flatter an adapter that is measured on them.
    unheard = draw([line for line in dev_lines if line not in dev], n_unheard, seed + 2)
    heard = draw(without_phrases(split.train, _contexts([*test, *dev])), n_train + n_general, seed)
    general = draw(heard, min(n_general, len(heard) // 4), seed + 1)
    train = [line for line in heard if line not in general]
    sets = {
        "train.jsonl": train,
        "dev.jsonl": dev,
        "test.jsonl": test,
        "general.jsonl": [*general, *unheard],
    }
    for name, utterances in sets.items():
        write_manifest(out_dir / name, utterances)
        minutes = sum(utterance.duration_s for utterance in utterances) / 60
        click.echo(f"{name}: {len(utterances)} lines, {minutes:.1f} minutes", err=True)
    note_prepared(out_dir, settings, sets)


def draw(utterances: Iterable[Utterance], count: int, seed: int) -> list[Utterance]:
    """Return at most ``count`` utterances by lot, in the order of their ids."""
    pool = sorted(utterances, key=lambda utterance: utterance.utterance_id)
    drawn = random.Random(seed).sample(pool, min(count, len(pool)))  # noqa: S311  no secret
    return sorted(drawn, key=lambda utterance: utterance.utterance_id)


def draw_named(utterances: Sequence[Utterance], count: int, seed: int) -> list[Utterance]:
    """Draw so that up to `NAMED_SHARE` of the set says a name of its scene.

    By lot alone every ninth line would, too few to measure whether names are understood.
    """
    named = [utterance for utterance in utterances if says_name(utterance)]
    others = [utterance for utterance in utterances if not says_name(utterance)]
    first = draw(named, round(NAMED_SHARE * count), seed)
    both = [*first, *draw(others, count - len(first), seed)]
    return sorted(both, key=lambda utterance: utterance.utterance_id)


def says_name(utterance: Utterance) -> bool:
    """Whether a phrase of the context stands in the reference."""
    return any(_says(utterance, phrase) for phrase in utterance.context)


def without_phrases(utterances: Iterable[Utterance], phrases: set[str]) -> list[Utterance]:
    """Leave out who says one of the phrases: what the test expects was then never trained on."""
    return [item for item in utterances if not any(_says(item, phrase) for phrase in phrases)]


def _contexts(utterances: Iterable[Utterance]) -> set[str]:
    return {phrase for utterance in utterances for phrase in utterance.context}


def _says(utterance: Utterance, phrase: str) -> bool:
    text = utterance.reference or ""
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE) is not None


def _of_length(utterances: Iterable[Utterance]) -> list[Utterance]:
    return [item for item in utterances if SHORTEST_S <= item.duration_s <= LONGEST_S]


if __name__ == "__main__":
    run_prepare(prepare, SIZES)
