"""Exports of Label Studio (JSON and JSON_MIN): what people wrote or corrected, region by region.

A task that nobody has annotated comes without a reference. Formats:
https://labelstud.io/guide/export and https://labelstud.io/guide/storage#local-storage
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames, guess_columns, rows_from_columns
from asr_adapt.importers.json_array import read_array
from asr_adapt.importers.jsonl import JsonLine
from asr_adapt.importers.lhotse import lhotse_kind, read_lhotse
from asr_adapt.importers.rows import Row, RowFile, SkippedRow


def read_json_array(path: Path, names: ColumnNames) -> RowFile:
    """Read an array of objects: tasks of Label Studio, objects of Lhotse, or plain rows.

    Raises:
        ManifestError: the file is no JSON array, or nothing in it names a sound.
    """
    lines, skipped = read_array(path)
    if not lines:
        raise ManifestError(path, f"holds no row ({skipped[0].reason})", skipped[0].line)
    if lhotse_kind(lines[0].values):
        return read_lhotse(path)
    if any(isinstance(line.values.get("data"), dict) for line in lines):
        return _read_tasks(path, lines, skipped, names)
    keys = list(dict.fromkeys(key for line in lines for key in line.values))
    mapping = guess_columns(keys, names, path)
    numbered = ((line.line, _with_local_path(line.values, mapping["audio"])) for line in lines)
    rows = tuple(rows_from_columns(numbered, mapping))
    return RowFile(path, path.parent, rows, tuple(skipped), "JSON array", mapping)


def _with_local_path(values: Mapping[str, Any], column: str) -> Mapping[str, Any]:
    audio = values.get(column)
    return {**values, column: local_path(audio)} if isinstance(audio, str) else values


def local_path(address: str) -> str:
    """Return the file that an address of Label Studio stands for, relative to its root.

    >>> local_path("/data/local-files/?d=calls/a%20b.wav")
    'calls/a b.wav'
    >>> local_path("/data/upload/3/1a2b3c4d-call.wav")
    'call.wav'
    """
    parts = urlsplit(address)
    if parts.path.endswith("/data/local-files/") and "d" in (query := parse_qs(parts.query)):
        return query["d"][0]
    if "/data/upload/" in parts.path:
        return re.sub(r"^[0-9a-f]{8}-", "", parts.path.rsplit("/", 1)[-1])
    return address


def _read_tasks(
    path: Path, lines: list[JsonLine], skipped: list[SkippedRow], names: ColumnNames
) -> RowFile:
    data = [line.values.get("data") for line in lines]
    keys = list(dict.fromkeys(k for values in data if isinstance(values, dict) for k in values))
    audio = guess_columns(keys, ColumnNames(audio=names.audio), path)["audio"]
    rows: list[Row] = []
    for line in lines:
        try:
            rows.extend(_task_rows(line, audio, names.text))
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            reason = f"not a task of Label Studio ({type(problem).__name__}: {problem})"
            skipped.append(SkippedRow(path, line.line, reason))
    mapping = {"audio": f"data.{audio}", "text": names.text or "textarea"}
    return RowFile(path, path.parent, tuple(rows), tuple(skipped), "Label Studio", mapping)


@dataclass(slots=True)
class _Region:
    """What an annotator said about one stretch, or about all of it where it has no times."""

    start: Any = None
    end: Any = None
    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def _task_rows(line: JsonLine, audio: str, from_name: str | None) -> Iterator[Row]:
    task = line.values
    data = dict(task["data"])
    annotations = [a for a in task.get("annotations") or [] if not a.get("was_cancelled")]
    newest = max(annotations, key=_age, default=None)
    regions = [r for r in _regions(newest, from_name) if r.texts] if newest else []
    tags = dict(data.get("tags") or {})
    kept_id = data.get("utterance_id", f"task-{task['id']}" if "id" in task else None)
    for number, region in enumerate(regions or [_Region()], start=1):
        timed = region.start is not None
        yield Row(
            line=line.line,
            audio=local_path(data[audio]),
            text=" ".join(region.texts) if newest else None,
            utterance_id=f"{kept_id}-{number}" if kept_id and len(regions) > 1 else kept_id,
            start=region.start if timed else data.get("start_s"),
            end=region.end,
            duration=None if timed else data.get("duration_s"),
            language=data.get("language"),
            speaker=data.get("speaker") or _speaker(region),
            recording=data.get("recording_id"),
            context=data.get("context"),
            tags=tags,
        )


def _age(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _speaker(region: _Region) -> str | None:
    """A label that only says that there is speech names no speaker."""
    return next((name for name in region.labels if name.lower() != "speech"), None)


def _regions(annotation: Mapping[str, Any], from_name: str | None) -> list[_Region]:
    """Group the results of an annotation by region, in order of time."""
    regions: dict[str, _Region] = {}
    for result in annotation.get("result") or []:
        value = result.get("value") or {}
        region = regions.setdefault(str(result.get("id", "")), _Region())
        if "start" in value:
            region.start, region.end = value["start"], value["end"]
        if result.get("type") == "textarea" and from_name in (None, result.get("from_name")):
            written = value["text"]
            texts = [written] if isinstance(written, str) else written
            region.texts.extend(" ".join(text.split()) for text in texts)
        region.labels.extend(value.get("labels") or [])
    return sorted(regions.values(), key=lambda r: (float(r.start or 0), float(r.end or 0)))
