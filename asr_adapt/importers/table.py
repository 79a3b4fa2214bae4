"""CSV and TSV tables, as spreadsheets, Common Voice and people write them.

Takes UTF-8 with or without BOM and UTF-16; comma, semicolon or tab; quoted cells in CSV, none in
TSV (as in Common Voice). Refuses tables without a header row. A missing text is for the one who
asked to refuse: speech that is to be labelled has none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import (
    ColumnNames,
    guess_columns,
    lacking,
    rows_from_columns,
)
from asr_adapt.importers.rows import MAX_LINE_BYTES, Row, RowFile, SkippedRow
from asr_adapt.importers.texts import AUDIO_SUFFIXES, read_text


def read_table(path: Path, names: ColumnNames) -> RowFile:
    """Read a table with a header row.

    Raises:
        ManifestError: the table as a whole cannot be read.
    """
    text = read_text(path)
    first = text.split("\n", 1)[0].rstrip("\r")
    told = first.removeprefix("sep=") if re.fullmatch(r"sep=[,;\t|]", first) else None
    delimiter = told or _delimiter(first)
    lines = _cells(path, text, delimiter)
    if told:  # Excel's own first line, which says how the others are separated
        next(lines)
    number, header = next(lines, (1, []))
    columns = [cell.strip() for cell in header]
    _check_header(path, number, columns)
    mapping = guess_columns(columns, names, path, number)
    lacks_text = lacking("text", mapping, columns, path, number)
    good: list[tuple[int, dict[str, object]]] = []
    skipped: list[SkippedRow] = []
    for number, cells in lines:
        if len(cells) != len(columns):
            reason = f"has {len(cells)} cells, the header has {len(columns)}"
            skipped.append(SkippedRow(path, number, reason))
        else:
            good.append(
                (number, {c: v.strip() or None for c, v in zip(columns, cells, strict=True)})
            )
    rows: list[Row] = []
    for row in rows_from_columns(iter(good), mapping):
        if row.text is None and lacks_text is None:
            row = replace(row, lacks_text=f"no {mapping['text']}: the words are missing")
        rows.append(_keep_empty_id(row, mapping))
    name = "TSV table" if delimiter == "\t" else f"CSV table ('{delimiter}')"
    return RowFile(path, path.parent, tuple(rows), tuple(skipped), name, mapping, lacks_text)


def _keep_empty_id(row: Row, mapping: dict[str, str]) -> Row:
    """An empty cell in a column of ids is a mistake, not a wish for an invented id."""
    if "utterance_id" in mapping and row.utterance_id is None:
        return replace(row, utterance_id="")
    return row


def _delimiter(header: str) -> str:
    counts = {delimiter: header.count(delimiter) for delimiter in "\t;,"}
    return max(counts, key=counts.__getitem__) if any(counts.values()) else ","


def _cells(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold anything, with the line on which each ends."""
    csv.field_size_limit(MAX_LINE_BYTES)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True
    )
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as problem:
        raise ManifestError(path, f"not a table: {problem}", reader.line_num) from problem


def _check_header(path: Path, line: int, columns: list[str]) -> None:
    repeated = next((c for c in columns if c and columns.count(c) > 1), None)
    if repeated is not None:
        raise ManifestError(path, f"two columns are called '{repeated}'", line)
    if any(column.lower().endswith(AUDIO_SUFFIXES) for column in columns):
        raise ManifestError(path, "has no header row; add one, such as: audio,text", line)
