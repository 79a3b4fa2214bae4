"""Read run directories: what decoding left behind, before anything is scored.

Reads ``RUN/run.json`` and, for each set it lists, a manifest and the raw hypotheses of all arms.
Refuses with a `ManifestError` that names file and line: broken JSON, sets outside the run
directory, hypotheses of utterances that the manifest does not have, and an arm given twice.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr_adapt.errors import ManifestError
from asr_adapt.files import why_unreadable
from asr_adapt.hypotheses import read_hypotheses
from asr_adapt.manifest import read_manifest
from asr_adapt.records import Hypothesis, Utterance

RUN_KIND = "asr-adapt run"
ROLES = ("domain", "real", "general", "silence")
"""What a set is for: the domain adapted to, real recordings of it, speech in general, or
none at all."""


@dataclass(frozen=True, slots=True)
class RunSet:
    """One test set of a run.

    Attributes:
        name: short name, unique in a run.
        role: one of `ROLES`.
        title: what to call it before people.
        utterances: the manifest's rows.
        hypotheses: what every arm made of them.
        phrases: listed for all of them, besides the context of each.
        runs: labels of the runs that it was joined from; empty before joining.
    """

    name: str
    role: str
    title: str
    utterances: tuple[Utterance, ...]
    hypotheses: tuple[Hypothesis, ...]
    phrases: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory: how it came about (``record``, the content of run.json) and its sets."""

    directory: Path
    record: Mapping[str, Any]
    sets: tuple[RunSet, ...]

    @property
    def normaliser(self) -> str:
        """Name of the normaliser that the run is to be scored with."""
        return str(self.record["normaliser"])

    @property
    def adapter(self) -> Mapping[str, Any] | None:
        """What run.json says of the adapter; None where no adapter was used."""
        return self.record.get("adapter")


def read_run(run_dir: Path) -> Run:
    """Read a run directory.

    Args:
        run_dir: a folder with ``run.json``.

    Returns:
        The run with all its sets read into memory.

    Raises:
        ManifestError: if a file is missing, is not what it should be or contradicts another.
    """
    path = run_dir / "run.json"
    if not path.exists():
        raise ManifestError(run_dir, "no run directory: there is no run.json in it")
    record = _read_record(path)
    sets = tuple(_read_set(run_dir, path, entry) for entry in record["sets"])
    names = [each.name for each in sets]
    if len(set(names)) != len(names):
        raise ManifestError(path, f"set names must differ, found {', '.join(names)}")
    return Run(run_dir, record, sets)


def run_labels(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what to call each run: the name of its folder, numbered where names repeat."""
    names = [run.directory.resolve().name or "run" for run in runs]
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return tuple(labels)


def _read_record(path: Path) -> dict[str, Any]:
    record = _parse(path, _read_text(path))
    if record.get("kind") != RUN_KIND:
        raise ManifestError(path, f"'kind' is not \"{RUN_KIND}\": not a run directory")
    for key, kind in (("normaliser", str), ("model", dict), ("sets", list)):
        if not isinstance(record.get(key), kind):
            raise ManifestError(path, f"'{key}' is missing or not a {kind.__name__}")
    if not isinstance(record.get("adapter"), dict | None):
        raise ManifestError(path, "'adapter' is neither an object nor null")
    if not record["sets"]:
        raise ManifestError(path, "'sets' is empty: nothing was decoded in this run")
    return record


def _read_set(run_dir: Path, path: Path, entry: object) -> RunSet:
    if not isinstance(entry, dict):
        raise ManifestError(path, "an entry of 'sets' is not an object")
    fields = [entry.get(key) for key in ("name", "manifest", "hypotheses")]
    if not all(isinstance(field, str) and field for field in fields):
        raise ManifestError(path, "an entry of 'sets' lacks 'name', 'manifest' or 'hypotheses'")
    name = str(entry["name"])
    role = entry.get("role", "domain")
    if role not in ROLES:
        raise ManifestError(path, f"set '{name}': role '{role}' is not one of {', '.join(ROLES)}")
    manifest = _inside(run_dir, path, str(entry["manifest"]))
    # The audio belongs to the user and lies where it lies; only text files must be in the run.
    utterances = tuple(read_manifest(manifest, allow_outside=True))
    rows = _read_hypotheses(_inside(run_dir, path, str(entry["hypotheses"])), utterances)
    phrases = _read_phrases(run_dir, path, entry.get("phrases"))
    return RunSet(name, role, str(entry.get("title") or name), utterances, rows, phrases)


def _read_phrases(run_dir: Path, path: Path, relative: object) -> tuple[str, ...]:
    if relative is None:
        return ()
    if not isinstance(relative, str):
        raise ManifestError(path, "'phrases' of a set is not a path")
    lines = _read_text(_inside(run_dir, path, relative)).splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def _inside(run_dir: Path, path: Path, relative: str) -> Path:
    try:
        target = (run_dir / relative).resolve()
        if not target.is_relative_to(run_dir.resolve()):
            raise ManifestError(path, f"path '{relative}' leaves the run directory")
    except (OSError, ValueError, RuntimeError) as error:
        raise ManifestError(path, f"path {relative!r} cannot be used: {error}") from error
    return target


def _read_hypotheses(path: Path, utterances: Iterable[Utterance]) -> tuple[Hypothesis, ...]:
    known = {each.utterance_id for each in utterances}
    try:
        rows = read_hypotheses(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(path, f"cannot be read: {why_unreadable(error)}") from error
    for number, row in enumerate(rows, start=1):
        problem = _problem(row)
        if problem:
            raise ManifestError(path, problem, number)
        if row.utterance_id not in known:
            raise ManifestError(path, f"utterance '{row.utterance_id}' not in the manifest", number)
    if not rows:
        raise ManifestError(path, "no hypotheses: decode the set first")
    return tuple(rows)


def _problem(row: Hypothesis) -> str | None:
    """Say what of a row is not of the type it is declared to be: rows come from a file."""
    for key in ("utterance_id", "arm", "text"):
        if not isinstance(getattr(row, key), str):
            return f"'{key}' is not a string"
    for key in ("prompt", "error"):
        if not isinstance(getattr(row, key), str | None):
            return f"'{key}' is neither a string nor null"
    for key in ("dropped_phrases", "flags"):
        if not all(isinstance(item, str) for item in getattr(row, key)):
            return f"'{key}' is not a list of strings"
    more = row.dropped_more
    if not isinstance(more, int) or isinstance(more, bool) or more < 0:
        return "'dropped_more' is not a number of phrases"
    if not _is_time(row.decode_s):
        return "'decode_s' is not a time >= 0"
    return None


def _is_time(value: object) -> bool:
    """Tell whether a value is a finite number of seconds >= 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf  # type: ignore[operator]  # a number, see above


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(path, f"cannot be read: {why_unreadable(error)}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(path, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ManifestError(path, "not a JSON object")
    return value
