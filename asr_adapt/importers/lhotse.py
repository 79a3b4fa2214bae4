"""Lhotse's manifests: cuts, or recordings with supervisions, as JSON lines, gzipped or not.

Read here and not with Lhotse, which runs the shell commands that a manifest may hold as a sound
source. Only sources of the type ``file`` are taken, and nothing that changes the sound.
Format: https://lhotse.readthedocs.io/en/latest/corpus.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asr_adapt.errors import ManifestError
from asr_adapt.importers.json_array import is_json_array, read_array
from asr_adapt.importers.jsonl import JsonLine, iterate_objects
from asr_adapt.importers.rows import Row, RowFile, SkippedRow

CUT_TYPES = ("MonoCut", "MultiCut", "Cut")
_SUFFIXES = (".jsonl.gz", ".jsonl", ".json.gz", ".json")


def lhotse_kind(values: Mapping[str, Any]) -> str | None:
    """Say what an object is: ``cut``, ``recording``, ``supervision``, or None for no Lhotse."""
    if str(values.get("type", "")).endswith("Cut"):
        return "cut"
    if {"id", "sources", "sampling_rate"} <= values.keys():
        return "recording"
    if {"id", "recording_id", "start", "duration"} <= values.keys():
        return "supervision"
    return None


def find_lhotse(folder: Path) -> Path | None:
    """Return the manifest to read a folder by: its cuts, else its supervisions; None without."""
    for word in ("cuts", "supervisions"):
        for path in sorted(folder.iterdir()):
            if word in path.name and path.name.endswith(_SUFFIXES):
                return path
    return None


def read_lhotse(path: Path) -> RowFile:
    """Read cuts, or supervisions with the recordings that lie beside them.

    Raises:
        ManifestError: the file is none of Lhotse's, or its other half is missing.
    """
    lines, skipped = read_objects(path)
    kind = lhotse_kind(lines[0].values)
    if kind == "recording":
        return read_lhotse(_other_half(path, "recordings", "supervisions"))
    if kind is None:
        raise ManifestError(path, "holds no cuts or supervisions of Lhotse", lines[0].line)
    recordings = _recordings(path) if kind == "supervision" else {}
    rows: list[Row] = []
    for line in lines:
        try:
            if kind == "cut":
                rows.extend(_cut_rows(line))
            else:
                rows.append(_supervision_row(line, line.values, recordings, 0.0))
        except ValueError as problem:
            skipped.append(SkippedRow(path, line.line, str(problem)))
        except (KeyError, TypeError, AttributeError) as problem:
            reason = f"not an object of Lhotse ({type(problem).__name__}: {problem})"
            skipped.append(SkippedRow(path, line.line, reason))
    mapping = {"audio": "recording.sources", "text": f"{kind}s"}
    return RowFile(path, path.parent, tuple(rows), tuple(skipped), f"Lhotse {kind}s", mapping)


def read_objects(path: Path) -> tuple[list[JsonLine], list[SkippedRow]]:
    """Read the objects of a file of JSON lines or of one array.

    Raises:
        ManifestError: it cannot be read, or holds none.
    """
    if is_json_array(path):
        lines, skipped = read_array(path)
    else:
        items = list(iterate_objects(path))
        lines = [item for item in items if isinstance(item, JsonLine)]
        skipped = [item for item in items if isinstance(item, SkippedRow)]
    if not lines:
        first = skipped[0] if skipped else None
        reason = f"holds no row ({first.reason})" if first else "is empty"
        raise ManifestError(path, reason, (first.line if first else None) or 1)
    return lines, skipped


def _other_half(path: Path, this: str, other: str) -> Path:
    """Return the file that has the other word in its name."""
    for suffix in _SUFFIXES:
        stem = path.name.removesuffix(next(s for s in _SUFFIXES if path.name.endswith(s)))
        found = path.with_name(stem.replace(this, other) + suffix)
        if this in path.name and found.is_file():
            return found
    wanted = path.name.replace(this, other)
    raise ManifestError(path, f"holds {this} without {other}: no {wanted} beside it", 1)


def _recordings(path: Path) -> dict[str, Mapping[str, Any]]:
    lines, _ = read_objects(_other_half(path, "supervisions", "recordings"))
    return {str(line.values.get("id")): line.values for line in lines}


def _cut_rows(line: JsonLine) -> Iterator[Row]:
    """Yield the supervisions of a cut; one without any is sound that nobody has transcribed."""
    cut = line.values
    if cut["type"] not in CUT_TYPES:
        raise ValueError(f"{cut['type']}: its sound is made while loading; save it as a file")
    if not cut.get("recording"):
        raise ValueError("a cut of features without a recording")
    recording = cut["recording"]
    known = {str(recording["id"]): recording}
    start_s = _seconds(cut, "start")
    if not cut.get("supervisions"):
        whole: dict[str, Any] = {k: cut[k] for k in ("id", "duration", "channel") if k in cut}
        whole |= {"start": 0, "recording_id": recording["id"]}
        yield _supervision_row(line, whole, known, start_s)
    for supervision in cut.get("supervisions") or []:
        yield _supervision_row(line, supervision, known, start_s)


def _supervision_row(
    line: JsonLine,
    supervision: Mapping[str, Any],
    recordings: Mapping[str, Mapping[str, Any]],
    offset_s: float,
) -> Row:
    name = str(supervision["recording_id"])
    if name not in recordings:
        raise ValueError(f"recording '{name}' is not among the recordings")
    recording = recordings[name]
    custom = supervision.get("custom") or {}
    tags = {k: v for k, v in custom.items() if isinstance(v, str | int | float | bool)}
    return Row(
        line=line.line,
        audio=_source(recording, supervision.get("channel", 0)),
        text=supervision.get("text"),
        utterance_id=supervision["id"],
        start=round(offset_s + _seconds(supervision, "start"), 6),
        duration=_seconds(supervision, "duration"),
        language=_language(supervision.get("language")),
        speaker=supervision.get("speaker"),
        recording=name,
        tags=tags,
    )


def _source(recording: Mapping[str, Any], channel: object) -> str:
    """Return the sound file of a recording, if a plain file holds all of it, unchanged.

    Raises:
        ValueError: it does not, and why.
    """
    sources = recording["sources"]
    if len(sources) != 1:
        raise ValueError(f"recording '{recording['id']}' has {len(sources)} sources; need one file")
    source = sources[0]
    if source["type"] != "file":
        raise ValueError(f"a sound source of type '{source['type']}'; only files are read")
    if recording.get("transforms"):
        raise ValueError(f"recording '{recording['id']}' is transformed while loading; save it")
    channels = source["channels"]
    wanted = channel if isinstance(channel, list) else [channel]
    if len(channels) > 1 and sorted(wanted) != sorted(channels):
        raise ValueError(f"channel {channel} of {len(channels)}; give each a sound file of its own")
    return str(source["source"])


def _seconds(values: Mapping[str, Any], key: str) -> float:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} {value!r} is no number of seconds")
    return float(value)


def _language(value: object) -> str | None:
    """Lhotse's recipes write ``English`` as often as ``en``; only codes are taken."""
    return value if isinstance(value, str) and len(value) == 2 else None
