"""JSON files that hold one array: exports of Label Studio, manifests of Lhotse, plain rows.

Every object keeps the line it begins on.
"""

from __future__ import annotations

import json
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.jsonl import JsonLine, no_constant, no_repeats
from asr_adapt.importers.rows import SkippedRow
from asr_adapt.importers.texts import read_text

_BLANK = " \t\r\n"


def is_json_array(path: Path) -> bool:
    """Say whether a file begins like a JSON array; one that cannot be read does not."""
    try:
        with path.open("rb") as file:
            return file.read(1000).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    except OSError:
        return False


def read_array(path: Path) -> tuple[list[JsonLine], list[SkippedRow]]:
    """Read the objects of an array, each with its line, and what in it is no object.

    Raises:
        ManifestError: the file is no JSON array; by the line where it stops being one.
    """
    text = read_text(path)
    decoder = json.JSONDecoder(parse_constant=no_constant, object_pairs_hook=no_repeats)
    items: list[JsonLine] = []
    skipped: list[SkippedRow] = []
    at, line, counted = text.index("[") + 1, 1, 0
    closed = False
    while not closed:
        at = _skip_blank(text, at)
        line += text.count("\n", counted, at)
        counted = at
        if text[at : at + 1] == "]" and not items and not skipped:
            raise ManifestError(path, "is an empty array", line)
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as problem:
            raise ManifestError(path, f"not JSON: {problem.msg}", problem.lineno) from problem
        except (ValueError, RecursionError) as problem:
            raise ManifestError(path, f"not JSON: {problem}", line) from problem
        if isinstance(value, dict):
            items.append(JsonLine(line, value))
        else:
            skipped.append(SkippedRow(path, line, 'not an object {"audio": ...}'))
        at = _skip_blank(text, at)
        closed = text[at : at + 1] == "]"
        if not closed and text[at : at + 1] != ",":
            where = text.count("\n", 0, at) + 1
            raise ManifestError(path, "not JSON: the array is not closed", where)
        at += 1
    if text[at:].strip():
        where = text.count("\n", 0, _skip_blank(text, at)) + 1
        raise ManifestError(path, "not JSON: more follows after the array", where)
    return items, skipped


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
