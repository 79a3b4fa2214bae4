"""Parquet tables: with the bytes of the audio, as data sets of the hub have them, or with paths.

Bytes are written to a folder as files, so that everything else reads them like any other audio;
nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from asr_adapt.errors import ManifestError
from asr_adapt.importers.audio_bytes import write_audio
from asr_adapt.importers.columns import ColumnNames, guess_columns, rows_from_columns
from asr_adapt.importers.rows import Row, RowFile, SkippedRow

BATCH_ROWS = 64
"""So many rows with their sounds are in memory at a time."""


def read_parquet(path: Path, names: ColumnNames, audio_dir: Path) -> RowFile:
    """Read a parquet table; the line of a row is its number from 1.

    Args:
        path: the table.
        names: names of columns, where guessing does not find them.
        audio_dir: where bytes of audio are written as files; made if need be.

    Raises:
        ManifestError: the file is no parquet table, or has no column for the audio.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            mapping = guess_columns(list(schema.names), names, path)
            lines = enumerate(_values(file), start=1)
            if not pa.types.is_struct(schema.field(mapping["audio"]).type):
                rows = tuple(rows_from_columns(lines, mapping))
                return RowFile(path, path.parent, rows, (), "parquet table", mapping)
            return _with_bytes(path, lines, mapping, audio_dir)
    except (OSError, pa.ArrowException) as problem:
        first = (str(problem).splitlines() or ["unreadable"])[0]
        raise ManifestError(path, f"no parquet table: {first}", 1) from problem


def _values(file: Any) -> Iterator[dict[str, object]]:
    for batch in file.iter_batches(BATCH_ROWS):
        yield from batch.to_pylist()


def _with_bytes(
    path: Path,
    lines: Iterator[tuple[int, dict[str, Any]]],
    mapping: Mapping[str, str],
    audio_dir: Path,
) -> RowFile:
    audio_dir.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    skipped: list[SkippedRow] = []
    for number, values in lines:
        name = write_audio(values[mapping["audio"]], audio_dir)
        if name is None:
            skipped.append(SkippedRow(path, number, "no audio bytes in this row"))
        else:
            named = {**values, mapping["audio"]: name}
            rows.extend(rows_from_columns([(number, named)], mapping))
    name = "parquet table with sounds"
    return RowFile(path, audio_dir, tuple(rows), tuple(skipped), name, mapping)
