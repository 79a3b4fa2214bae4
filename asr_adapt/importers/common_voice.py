"""Common Voice: TSV tables (train, dev, test, validated) beside a folder ``clips`` of mp3 files.

Format: https://github.com/common-voice/cv-dataset
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.rows import SPLITS, RowFile
from asr_adapt.importers.table import read_table

PARTS = ("train.tsv", "dev.tsv", "test.tsv")
"""The tables that share no clip; validated.tsv repeats theirs."""


def is_common_voice_folder(folder: Path) -> bool:
    """Say whether a folder is one language of Common Voice."""
    return (folder / "clips").is_dir() and any((folder / part).is_file() for part in PARTS)


def read_common_voice_folder(folder: Path, names: ColumnNames) -> list[RowFile]:
    """Read the train, dev and test tables of a folder.

    Raises:
        ManifestError: a table as a whole cannot be read.
    """
    return [read_tsv(folder / part, names) for part in PARTS if (folder / part).is_file()]


def read_tsv(path: Path, names: ColumnNames) -> RowFile:
    """Read a TSV table; one of Common Voice has its sounds in ``clips`` and its split by its name.

    Raises:
        ManifestError: the table as a whole cannot be read.
    """
    file = read_table(path, names)
    clips = path.parent / "clips"
    speaker, audio = file.mapping.get("speaker"), file.mapping["audio"]
    if (speaker, audio) != ("client_id", "path") or not clips.is_dir():
        return file
    split = SPLITS.get(path.stem)
    rows = tuple(row if row.split else replace(row, split=split) for row in file.rows)
    mapping = {**file.mapping, "audio": "clips/ + path"} | ({"split": path.name} if split else {})
    return replace(file, root=clips, rows=rows, format_name="Common Voice", mapping=mapping)
