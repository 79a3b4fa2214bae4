"""What trackers get of a report: tables, figures and sounds, the same for each of them.

Reads a `Report` and the clips of its shown utterances. Names from the data become labels before
they are part of a key, and sounds are named by their place on the page, so that no text of the data
is ever part of a path. Lone surrogates are replaced, since no tracker can store them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from asr_adapt.reporting.as_json import report_to_json
from asr_adapt.reporting.examples import Example, Heard
from asr_adapt.reporting.markdown import title
from asr_adapt.reporting.results import Report

Cell = str | int | float | None

MOST_SOUNDS = 100
"""Sounds that are logged, about 16 MB: trackers keep and send every one, and `logged` is a look at
a report, not a copy of the data. Those shown for a reason come first."""

ABOUT = ("set", "utterance_id", "duration_s", "shown_for", "sound", "reference")
"""Columns of an utterance before what the arms heard."""

LONGEST_LABEL = 60
"""Characters; a key of two labels and a measure stays below MLflow's 250."""


LONGEST_FACT = 500
"""Characters; the least that the trackers keep of a setting (MLflow before 2.8)."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, its columns and its rows, each as long as ``columns``."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a shown utterance.

    Attributes:
        name: of a file, ``u<place on the page>.wav``.
        label: set and utterance, made of letters, digits, dots, dashes and a slash.
        wav: the file, 16 kHz, 16 bit, mono.
    """

    name: str
    label: str
    wav: bytes


@dataclass(frozen=True, slots=True)
class Logged:
    """All that is logged of a report.

    Attributes:
        title: of the report.
        facts: what was compared how, as texts.
        figures: every number of every arm, by ``set/arm/number``; made of labels.
        arms: the numbers again, one row for each set and arm.
        comparisons: what is certain, one row for each set and pair of arms.
        utterances: those shown, one row each: what was said, what each arm heard, with which rate
            of word errors; ``sound`` is the name of its sound, if that is logged.
        sounds: of the shown utterances, up to `MOST_SOUNDS`.
    """

    title: str
    facts: Mapping[str, str]
    figures: Mapping[str, float]
    arms: Table
    comparisons: Table
    utterances: Table
    sounds: tuple[Sound, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, the answer first."""
        return self.arms, self.comparisons, self.utterances


@dataclass(frozen=True, slots=True)
class _Shown:
    number: int
    place: str
    example: Example


def collect(report: Report, out_dir: Path) -> Logged:
    """Collect what trackers get of a report that lies in ``out_dir``."""
    content = report_to_json(report)
    sets = content["sets"]
    arms = [{"set": part["name"], **arm} for part in sets for arm in part["arms"]]
    compared = [{"set": part["name"], **each} for part in sets for each in part["comparisons"]]
    shown = _shown(report)
    sounds = tuple(_sounds(shown, out_dir))
    return Logged(
        title=_storable(title(report)),
        facts=_facts(report, content),
        figures=dict(_figures(arms)),
        arms=_table("arms", [dict(_flat(arm)) for arm in arms]),
        comparisons=_table("comparisons", [dict(_flat(each)) for each in compared]),
        utterances=_utterances(report, shown, {sound.name for sound in sounds}),
        sounds=sounds,
    )


def _facts(report: Report, content: Mapping[str, Any]) -> dict[str, str]:
    models = (run.record.get("model") for run in report.runs)
    names = [str(each["name"]) for each in models if isinstance(each, dict) and "name" in each]
    normaliser = content["normaliser"]
    return {
        "normaliser": f"{normaliser['name']} {normaliser['version']}",
        "models": _fact(dict.fromkeys(names)),
        "sets": _fact(part.entry.name for part in report.sets),
    }


def _fact(names: Iterable[str]) -> str:
    return _storable(", ".join(names))[:LONGEST_FACT]


def _figures(arms: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    sets, names = (labels(arm[key] for arm in arms) for key in ("set", "name"))
    measures = labels(name for arm in arms for name, _ in _flat(arm))
    for arm in arms:
        for name, value in _flat(arm):
            if isinstance(value, int | float):
                key = (sets[arm["set"]], names[arm["name"]], measures[name])
                yield "/".join(key), float(value)


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Cell]]:
    """Yield the leaves of a JSON object; bounds become two of them, a list its length."""
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif key.endswith("ci95"):
            low, high = value or (None, None)
            yield f"{name}_low", low
            yield f"{name}_high", high
        else:
            yield name, len(value) if isinstance(value, list) else value


def _table(name: str, records: Sequence[Mapping[str, Cell]]) -> Table:
    """Make a table of records that may lack columns."""
    columns = tuple(dict.fromkeys(key for each in records for key in each))
    rows = (tuple(_cell(each.get(key)) for key in columns) for each in records)
    return Table(name, tuple(_storable(key) for key in columns), tuple(rows))


def _shown(report: Report) -> list[_Shown]:
    """Return the shown utterances, numbered as on the page."""
    places = labels(part.entry.name for part in report.sets)
    pairs = [(places[part.entry.name], each) for part in report.sets for each in part.examples]
    return [_Shown(number, place, each) for number, (place, each) in enumerate(pairs)]


def _sounds(shown: Sequence[_Shown], out_dir: Path) -> Iterator[Sound]:
    ranked = sorted(shown, key=lambda each: not each.example.reasons)
    heard = [each for each in ranked if each.example.clip][:MOST_SOUNDS]
    for each in sorted(heard, key=lambda one: one.number):
        if clip := each.example.clip:
            label = f"{each.place}/{each.number}-{_label(each.example.utterance.utterance_id)}"
            yield Sound(_sound_name(each), label, clip.content(out_dir))


def _sound_name(shown: _Shown) -> str:
    return f"u{shown.number}.wav"


def _utterances(report: Report, shown: Sequence[_Shown], sounds: set[str]) -> Table:
    arms = dict.fromkeys(arm.arm for part in report.sets for arm in part.scores.arms)
    names = [part.entry.name for part in report.sets for _ in part.examples]
    rows = (
        (name, *_about(each, sounds), *_heard(each.example, arms))
        for name, each in zip(names, shown, strict=True)
    )
    heard = (_storable(column) for arm in arms for column in (arm, f"{arm} WER"))
    return Table("utterances", (*ABOUT, *heard), tuple(tuple(map(_cell, row)) for row in rows))


def _about(shown: _Shown, sounds: set[str]) -> tuple[Cell, ...]:
    utterance, name = shown.example.utterance, _sound_name(shown)
    return (
        utterance.utterance_id,
        utterance.duration_s,
        ", ".join(shown.example.reasons),
        name if name in sounds else None,
        utterance.reference,
    )


def _heard(example: Example, arms: Iterable[str]) -> Iterator[Cell]:
    by_arm: dict[str, Heard] = {each.arm: each for each in example.heard}
    for arm in arms:
        one = by_arm.get(arm)
        failed = one is None or one.score.failed is not None
        yield None if one is None or failed else one.text
        yield None if one is None or failed else one.score.words.rate


def _cell(value: Cell) -> Cell:
    return _storable(value) if isinstance(value, str) else value


def _storable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _label(name: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:LONGEST_LABEL].strip("._-")
    return stem or "unnamed"


def labels(names: Iterable[str]) -> dict[str, str]:
    """Map names from the data to parts of keys: no sign that means something, no two alike.

    >>> labels(["base", "base+bias", "base/bias", "../.."])
    {'base': 'base', 'base+bias': 'base_bias', 'base/bias': 'base_bias-2', '../..': 'unnamed'}
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        tries = (f"{_label(name)}-{i}" if i > 1 else _label(name) for i in count(1))
        taken = {each.casefold() for each in found.values()}
        found[name] = next(each for each in tries if each.casefold() not in taken)
    return found
