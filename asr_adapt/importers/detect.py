"""Which format a file or folder has: by its suffix, by the names in it, by how it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.atco2 import is_atco2_folder, read_atco2
from asr_adapt.importers.atcosim import is_atcosim_folder, read_atcosim
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.common_voice import (
    is_common_voice_folder,
    read_common_voice_folder,
    read_tsv,
)
from asr_adapt.importers.elan import read_elan
from asr_adapt.importers.folder import has_labels, read_audio_folder, read_split_folders
from asr_adapt.importers.json_array import is_json_array
from asr_adapt.importers.jsonl import JsonLine, iterate_objects, read_json_lines
from asr_adapt.importers.kaldi import is_kaldi_folder, read_kaldi
from asr_adapt.importers.label_studio import read_json_array
from asr_adapt.importers.lhotse import find_lhotse, lhotse_kind, read_lhotse
from asr_adapt.importers.nist import read_ctm, read_stm
from asr_adapt.importers.rows import RowFile
from asr_adapt.importers.subtitles import read_subtitles
from asr_adapt.importers.table import read_table
from asr_adapt.importers.textgrid import read_textgrid

Reader = Callable[[Path, ColumnNames], RowFile]

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.parquet")
"""Names of the table of an audiofolder
(https://huggingface.co/docs/datasets/audio_dataset#audiofolder)."""


def read_files(path: Path, names: ColumnNames, audio_dir: Callable[[], Path]) -> list[RowFile]:
    """Recognise the format of a file or folder and read its rows.

    Args:
        path: a file or a folder.
        names: names of columns or tiers, where guessing does not find them.
        audio_dir: names the folder for sounds that come as bytes in a table.

    Raises:
        ManifestError: no known format, or the data as a whole cannot be read.
    """
    if path.is_dir():
        return _read_folder(path, names, audio_dir)
    if not path.exists():
        raise ManifestError(path, "no such file or folder")
    if not path.is_file():
        raise ManifestError(path, "is neither a file nor a folder")
    return [_read_file(path, names, audio_dir)]


def _read_file(path: Path, names: ColumnNames, audio_dir: Callable[[], Path]) -> RowFile:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        # Imported here because pyarrow takes a while, and few have such tables.
        from asr_adapt.importers.parquet import read_parquet

        return read_parquet(path, names, audio_dir())
    reader = READERS.get("".join(path.suffixes[-2:]).lower()) or READERS.get(suffix)
    if reader is None:
        known = " ".join(READERS)
        raise ManifestError(path, f"unknown format; give a folder or a file of: {known} .parquet")
    return reader(path, names)


def read_json(path: Path, names: ColumnNames) -> RowFile:
    """Read JSON lines or one array, of whatever kind the first object is.

    Raises:
        ManifestError: neither of them, or the data as a whole cannot be read.
    """
    if is_json_array(path):
        return read_json_array(path, names)
    first = next((item for item in iterate_objects(path) if isinstance(item, JsonLine)), None)
    if first is not None and lhotse_kind(first.values):
        return read_lhotse(path)
    return read_json_lines(path, names)


READERS: dict[str, Reader] = {
    ".csv": read_table,
    ".tsv": read_tsv,
    ".txt": read_table,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".json": read_json,
    ".jsonl.gz": read_json,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    ".stm": read_stm,
    ".ctm": read_ctm,
    ".textgrid": read_textgrid,
    ".eaf": read_elan,
}
"""Readers of single files, by suffix."""
BESIDE_SOUNDS = (".srt", ".vtt", ".stm", ".ctm", ".textgrid", ".eaf")
"""Suffixes of files that lie beside long recordings, many in one folder."""


def _read_folder(path: Path, names: ColumnNames, audio_dir: Callable[[], Path]) -> list[RowFile]:
    if is_kaldi_folder(path):
        return [read_kaldi(path)]
    if is_atco2_folder(path):
        return read_atco2(path)
    if is_atcosim_folder(path):
        return [read_atcosim(path)]
    if manifest := find_lhotse(path):
        return [read_lhotse(manifest)]
    if is_common_voice_folder(path):
        return read_common_voice_folder(path, names)
    for name in METADATA:
        if (path / name).is_file():
            return [_read_file(path / name, names, audio_dir)]
    if parts := read_split_folders(path, names):
        return parts
    if not has_labels(path):
        beside = sorted(p for p in path.rglob("*") if p.suffix.lower() in BESIDE_SOUNDS)
        if beside:
            return [_read_file(file, names, audio_dir) for file in beside]
    return [read_audio_folder(path)]
