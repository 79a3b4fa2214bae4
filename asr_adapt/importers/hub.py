"""Data sets of the Hugging Face hub.

Audio is left as the bytes in the data set and written to a folder as files, so that everything
else reads it like any other audio; nothing is decoded here and no code of a data set is run.
"""

from __future__ import annotations

from pathlib import Path

import datasets

from asr_adapt.errors import EnvironmentProblem, ManifestError
from asr_adapt.importers.audio_bytes import write_audio
from asr_adapt.importers.columns import ColumnNames, guess_columns, rows_from_columns
from asr_adapt.importers.rows import Row, RowFile, SkippedRow


def load_hub(name: str, split: str, audio_dir: Path, names: ColumnNames | None = None) -> RowFile:
    """Read one split of a data set, with its audio written as files into ``audio_dir``.

    Args:
        name: a data set of the hub.
        split: its split, such as ``train``.
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
        path = write_audio(values[audio], audio_dir)
        if path is None:
            skipped.append(SkippedRow(source, number, "no audio bytes in this row"))
        else:
            rows.extend(rows_from_columns([(number, {**values, audio: path})], mapping))
    return RowFile(source, audio_dir, tuple(rows), tuple(skipped), "data set of the hub", mapping)


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]
