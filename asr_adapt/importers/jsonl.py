"""JSON lines: our own manifests, NeMo's, and metadata.jsonl of an audiofolder.

One object per line. A line that is not one becomes a skipped row with its number.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames, guess_columns, rows_from_columns
from asr_adapt.importers.rows import MAX_LINE_BYTES, Row, RowFile, SkippedRow

MANIFEST_KEYS = (
    "utterance_id",
    "audio_path",
    "start_s",
    "duration_s",
    "reference",
    "language",
    "speaker",
    "recording_id",
    "context",
    "tags",
)
"""The keys of a row of our own manifests: the fields of ``Utterance``."""
MAX_GZIP_BYTES = 4_000_000_000
"""A gzipped manifest that unpacks to more is an attack on the disk and on patience."""
REQUIRED_KEYS = ("utterance_id", "audio_path")


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One object with the number of its line."""

    line: int
    values: dict[str, Any]


def iterate_objects(path: Path) -> Iterator[JsonLine | SkippedRow]:
    """Read the objects of a file of JSON lines; blank lines are passed over.

    Raises:
        ManifestError: the file cannot be opened, or it is not a file of JSON lines in UTF-8.
    """
    number, total = 0, 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while data := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                total += len(data)
                if total > MAX_GZIP_BYTES and path.suffix == ".gz":
                    raise ManifestError(path, f"unpacks to over {MAX_GZIP_BYTES} bytes", number)
                if len(data) > MAX_LINE_BYTES:
                    reason = f"a line of more than {MAX_LINE_BYTES} bytes; is this a manifest?"
                    raise ManifestError(path, reason, number)
                if number == 1 and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise ManifestError(path, "is UTF-16; save it as UTF-8", 1)
                try:
                    values = parse_object(data)
                except ValueError as problem:
                    yield SkippedRow(path, number, str(problem))
                    continue
                if values is not None:
                    yield JsonLine(number, values)
    except (OSError, EOFError, zlib.error) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise ManifestError(path, f"cannot be read: {reason}", number + 1) from problem


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Parse one line; None if it is blank.

    Raises:
        ValueError: not one JSON object in UTF-8, with the reason for people.
    """
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as problem:
        raise ValueError(f"not UTF-8 at byte {problem.start}; save the file as UTF-8") from problem
    if not text:
        return None
    try:
        value = json.loads(text, parse_constant=no_constant, object_pairs_hook=no_repeats)
    except json.JSONDecodeError as problem:
        where = f"column {problem.colno}: {problem.msg}"
        raise ValueError(f"not JSON, one object per line ({where})") from problem
    except RecursionError as problem:
        raise ValueError("nested too deeply for a row") from problem
    if not isinstance(value, dict):
        raise ValueError('not an object {"audio_path": ...}')
    return value


def no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{name} is no JSON number")


def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: which of them counts is anybody's guess."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key '{next(k for k in keys if keys.count(k) > 1)}' is there twice")
    return values


def manifest_row(line: JsonLine) -> Row:
    """Read an object as a row of our own manifests.

    Raises:
        ValueError: unknown or missing keys.
    """
    values = line.values
    if unknown := sorted(set(values) - set(MANIFEST_KEYS)):
        raise ValueError(f"unknown key '{unknown[0]}'; the keys are {', '.join(MANIFEST_KEYS)}")
    if missing := [key for key in REQUIRED_KEYS if key not in values]:
        raise ValueError(f"key '{missing[0]}' is missing")
    tags = values.get("tags") or {}
    if not isinstance(tags, dict):
        raise ValueError('tags are not an object {"name": "value"}')
    return Row(
        line=line.line,
        audio=values["audio_path"],
        text=values.get("reference"),
        # An id that is null would otherwise be invented from the file name.
        utterance_id=values["utterance_id"] if values["utterance_id"] is not None else "",
        start=values.get("start_s"),
        duration=values.get("duration_s"),
        language=values.get("language"),
        speaker=values.get("speaker"),
        recording=values.get("recording_id"),
        context=values.get("context"),
        tags=tags,
    )


def read_json_lines(path: Path, names: ColumnNames) -> RowFile:
    """Read a file of JSON lines: our manifest, NeMo's, or any with columns that can be guessed.

    Raises:
        ManifestError: the file cannot be read, or no column can be taken for the audio.
    """
    lines: list[JsonLine] = []
    skipped: list[SkippedRow] = []
    for item in iterate_objects(path):
        if isinstance(item, JsonLine):
            lines.append(item)
        else:
            skipped.append(item)
    if not lines:
        reason = skipped[0].reason if skipped else "is empty"
        raise ManifestError(path, f"holds no row ({reason})", skipped[0].line if skipped else 1)
    if {"utterance_id", "audio_path"} <= lines[0].values.keys():
        return _own_manifest(path, lines, skipped)
    keys = list(dict.fromkeys(key for line in lines for key in line.values))
    mapping = guess_columns(keys, names, path)
    is_nemo = mapping["audio"] == "audio_filepath"
    rows = rows_from_columns(((line.line, line.values) for line in lines), mapping)
    name = "NeMo manifest" if is_nemo else "JSON lines"
    return RowFile(path, path.parent, tuple(rows), tuple(skipped), name, mapping)


def _own_manifest(path: Path, lines: list[JsonLine], skipped: list[SkippedRow]) -> RowFile:
    """Rows of our own manifest; those with wrong keys are skipped."""
    rows: list[Row] = []
    for line in lines:
        try:
            rows.append(manifest_row(line))
        except ValueError as problem:
            skipped.append(SkippedRow(path, line.line, str(problem)))
    mapping = {"audio": "audio_path", "text": "reference"}
    return RowFile(path, path.parent, tuple(rows), tuple(skipped), "asr-adapt manifest", mapping)
