"""Data sets of the Hugging Face hub, and the parquet files they are made of.

Audio is left as the bytes in the data set and written to a folder as files, so that everything
else reads it like any other audio; nothing is decoded here and no code of a data set is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets

from asr_adapt.errors import EnvironmentProblem, ManifestError
from asr_adapt.importers.columns import ColumnNames, guess_columns, rows_from_columns
from asr_adapt.importers.rows import Row, RowFile, SkippedRow

_SUFFIXES = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff"}


def load_hub(name: str, split: str, audio_dir: Path, names: ColumnNames | None = None) -> RowFile:
    """Read one split of a data set, with its audio written as files into ``audio_dir``.

    Args:
        name: a data set of the hub, or the path of a parquet file.
        split: its split, such as ``train``; a parquet file has only ``train``.
        audio_dir: where audio files are written; an existing file is kept.
        names: names of columns, where guessing does not find them.

    Returns:
        Rows as ``build_utterances`` takes them; their line is the row number from 1.

    Raises:
        EnvironmentProblem: the data set cannot be fetched or read.
        ManifestError: it has no column for the audio.
    """
    source = Path(name)
    try:
        if source.suffix == ".parquet":
            table = datasets.load_dataset("parquet", data_files=str(source), split=split)
        else:
            table = datasets.load_dataset(name, split=split)
        mapping = guess_columns(list(table.column_names), names or ColumnNames(), source)
        audio = mapping["audio"]
        table = table.cast_column(audio, datasets.Audio(decode=False))
    except ManifestError:
        raise
    except Exception as problem:  # datasets raises dozens of types, and passes on pyarrow's
        raise EnvironmentProblem(f"data set {name}: {_first_line(problem)}") from problem
    audio_dir.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    skipped: list[SkippedRow] = []
    for number, values in enumerate(table, start=1):
        path = _write_audio(values[audio], audio_dir)
        if path is None:
            skipped.append(SkippedRow(source, number, "no audio bytes in this row"))
        else:
            rows.extend(rows_from_columns([(number, {**values, audio: path})], mapping))
    return RowFile(source, audio_dir, tuple(rows), tuple(skipped), "data set of the hub", mapping)


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]


def _write_audio(value: Mapping[str, Any] | None, audio_dir: Path) -> str | None:
    """Write audio bytes to a file named after them; returns the name, None without bytes.

    Paths inside a data set name files on its author's machine, and are not followed.
    """
    data = value.get("bytes") if value else None
    if not isinstance(data, bytes) or not data:
        return None
    name = hashlib.sha256(data).hexdigest()[:24] + _SUFFIXES.get(data[:4], ".mp3")
    path = audio_dir / name
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
    return name
