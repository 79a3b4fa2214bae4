"""A user's own data to a recipe folder that `asr-adapt run` accepts.

Writes ``recipe.toml``, ``README.md`` and ``data/`` with copies of the sounds and manifests whose
paths are relative, so that the folder can be moved. Refuses a folder that is there already, and
parts that share a speaker, a recording or a sound.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr_adapt.audio import refuse_long
from asr_adapt.config import FOLDER_NAME, load_recipe
from asr_adapt.errors import DataError, UsageError
from asr_adapt.manifest import read_manifest, write_manifest
from asr_adapt.own_data import CheckedData, Notice, check_apart, check_shares, set_apart
from asr_adapt.records import Utterance
from asr_adapt.stopping import StopRequest

PARTS = ("train", "dev", "test")
RECIPE = """\
# asr-adapt run {folder}/recipe.toml
name = {name}
title = {title}
model = {model}
seed = {seed}
data_dir = "data"

[data]
train = "train.jsonl"
dev = "dev.jsonl"
unseen_phrases = false # true refuses test phrases that are spoken in training

[[test]]
name = "test"
title = {title}
manifest = "test.jsonl"

[train]
epochs = 3
"""
README = """\
# {title}

    asr-adapt run {folder}/recipe.toml

Made from `{source}` by `asr-adapt new-recipe`. Test set: {test_rule}. Dev set: {dev_rule}.

| part | utterances | minutes | speakers |
|---|---|---|---|
{rows}

`asr-adapt run` takes other values for its keys: `--set model=whisper-base --set train.epochs=2`.
"""


@dataclass(frozen=True, slots=True)
class NewRecipe:
    """What a recipe is to be.

    Attributes:
        name: of the recipe and its folder: letters, digits, ``-`` and ``_``.
        source: where the data came from, for the record.
        model: base model.
        dev_share: share of the speech for dev, a fraction.
        test_share: share for test, a fraction.
        seed: of the split, and of the recipe.
    """

    name: str
    source: str
    model: str
    dev_share: float = 0.1
    test_share: float = 0.2
    seed: int = 1

    def __post_init__(self) -> None:
        if not FOLDER_NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is to name a folder; use letters, digits, '-' and '_' only"
            )
        check_shares(self.dev_share, self.test_share)


@dataclass(frozen=True, slots=True)
class Parts:
    """The three parts of a data set by name, and how test and dev were set apart, in words."""

    rows: Mapping[str, Sequence[Utterance]]
    test_rule: str
    dev_rule: str


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that is there already.

    Raises:
        UsageError: it is there.
    """
    if folder.exists():
        raise UsageError(f"{folder}: is there already; choose another name, or remove it")


def write_recipe(
    data: CheckedData,
    wanted: NewRecipe,
    out_dir: Path,
    *,
    notice: Notice,
    progress: Callable[[int, int], None],
    stop: StopRequest,
) -> dict[str, int]:
    """Write the recipe's folder below ``out_dir``; it is there whole or not at all.

    Returns:
        Utterances by part.

    Raises:
        UsageError: the folder is there already.
        LeakError: the parts that the data names share a speaker, a recording or a sound.
        DataError: there is too little to make three parts of.
    """
    folder = out_dir / wanted.name
    refuse_existing(folder)
    parts = split_parts(data, wanted, notice)
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{wanted.name}.", dir=out_dir) as made:
        place = Path(made) / wanted.name
        copied = copy_sounds(parts.rows, place / "data", stop, progress)
        for name, rows in copied.items():
            write_manifest(place / "data" / f"{name}.jsonl", rows)
            read_manifest(place / "data" / f"{name}.jsonl")
        write_texts(place, folder, wanted, parts)
        load_recipe(place / "recipe.toml")
        place.rename(folder)
    return {name: len(rows) for name, rows in parts.rows.items()}


def split_parts(data: CheckedData, wanted: NewRecipe, notice: Notice) -> Parts:
    """Split labelled speech by its split column, or by speaker, or else by recording.

    Raises:
        LeakError: test speech shares a speaker, a recording or a sound with the rest.
        DataError: a part would be empty.
    """
    rows = [u for u in data.utterances if u.reference is not None]
    if len(rows) < len(data.utterances):
        notice(f"{len(data.utterances) - len(rows)} utterances without text are left out")
    refuse_long(rows)
    test, rest, test_rule = set_apart(rows, "test", wanted.test_share, wanted.seed)
    share = wanted.dev_share / (1 - wanted.test_share)
    dev, train, dev_rule = set_apart(rest, "dev", share, wanted.seed)
    notice(f"test: {test_rule}")
    notice(f"dev: {dev_rule}")
    parts = dict(zip(PARTS, (train, dev, test), strict=True))
    empty = [name for name, members in parts.items() if not members]
    if empty:
        raise DataError(f"no utterance is left for {', '.join(empty)}; give more data")
    check_apart([*train, *dev], test)
    return Parts(parts, test_rule, dev_rule)


def copy_sounds(
    parts: Mapping[str, Sequence[Utterance]],
    folder: Path,
    stop: StopRequest,
    progress: Callable[[int, int], None],
) -> dict[str, list[Utterance]]:
    """Copy every sound once into ``folder/audio``; return the utterances that name the copies."""
    originals = sorted({u.audio_path.resolve() for rows in parts.values() for u in rows})
    root = Path(os.path.commonpath([path.parent for path in originals]))
    places = {path: folder / "audio" / path.relative_to(root) for path in originals}
    for number, (original, copy) in enumerate(places.items(), start=1):
        stop.check()
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
        progress(number, len(places))
    return {
        name: [replace(u, audio_path=places[u.audio_path.resolve()]) for u in rows]
        for name, rows in parts.items()
    }


def write_texts(place: Path, folder: Path, wanted: NewRecipe, parts: Parts) -> None:
    """Write ``recipe.toml`` and ``README.md``."""
    title = f"{wanted.name}: {Path(wanted.source).name}"
    recipe = RECIPE.format(
        folder=one_line(folder.as_posix()),
        name=toml_text(wanted.name),
        title=toml_text(title),
        model=toml_text(wanted.model),
        seed=wanted.seed,
    )
    (place / "recipe.toml").write_text(recipe, encoding="utf-8")
    readme = README.format(
        title=one_line(title),
        folder=one_line(folder.as_posix()),
        source=one_line(Path(wanted.source).name),
        test_rule=one_line(parts.test_rule),
        dev_rule=one_line(parts.dev_rule),
        rows="\n".join(table_row(name, rows) for name, rows in parts.rows.items()),
    )
    (place / "README.md").write_text(readme, encoding="utf-8")


def table_row(name: str, rows: Iterable[Utterance]) -> str:
    """Return a part's line in the table of the README."""
    members = list(rows)
    minutes = sum(u.duration_s for u in members) / 60
    speakers = len({u.speaker for u in members if u.speaker})
    return f"| {name} | {len(members)} | {minutes:.1f} | {speakers or 'not known'} |"


def one_line(text: str) -> str:
    """Return text without what could end its line or its code span."""
    return "".join(sign if sign.isprintable() and sign != "`" else " " for sign in text)


def toml_text(text: str) -> str:
    """Return a TOML string; JSON's escapes are TOML's (https://toml.io/en/v1.0.0#string)."""
    return json.dumps(one_line(text), ensure_ascii=False)
