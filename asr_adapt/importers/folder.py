"""Folders of audio: each file with a .txt of the same name, or an audiofolder in parts.

A folder without a single .txt is audio that nobody has transcribed: its references are None.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.jsonl import read_json_lines
from asr_adapt.importers.rows import MAX_LINE_BYTES, SPLITS, Row, RowFile, SkippedRow
from asr_adapt.importers.table import read_table
from asr_adapt.importers.texts import AUDIO_SUFFIXES


def read_audio_folder(folder: Path) -> RowFile:
    """Read a folder, and the folders in it, of audio files with a .txt beside each.

    Raises:
        ManifestError: there is no audio in it.
    """
    audio = _sounds(folder)
    if not audio:
        known = " ".join(AUDIO_SUFFIXES)
        raise ManifestError(folder, f"neither a metadata file nor audio in this folder ({known})")
    labelled = has_labels(folder)
    rows: list[Row] = []
    skipped: list[SkippedRow] = []
    for path in audio:
        try:
            label = path.with_suffix(".txt")
            text, lacks_text = _read_label(label) if labelled else (None, None)
        except ManifestError as problem:
            skipped.append(SkippedRow(path, None, problem.reason))
            continue
        name = path.relative_to(folder).as_posix()
        named = name.rsplit(".", 1)[0]
        rows.append(Row(None, name, text, utterance_id=named, lacks_text=lacks_text))
    mapping = {"audio": "each sound file"} | ({"text": "the .txt beside it"} if labelled else {})
    return RowFile(folder, folder, tuple(rows), tuple(skipped), "folder of audio", mapping)


def has_labels(folder: Path) -> bool:
    """Say whether any sound of a folder has a .txt of its name beside it."""
    return any(path.with_suffix(".txt").is_file() for path in _sounds(folder))


def _sounds(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )


def _read_label(path: Path) -> tuple[str | None, str | None]:
    """Read the words of one audio file, or say why there are none; line breaks become spaces."""
    if not path.is_file():
        return None, f"no {path.name} beside it"
    try:
        if path.stat().st_size > MAX_LINE_BYTES:
            raise ManifestError(path, f"{path.name} is larger than {MAX_LINE_BYTES} bytes")
        text = path.read_text("utf-8-sig")
    except OSError as problem:
        raise ManifestError(path, f"{path.name} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise ManifestError(path, f"{path.name} is not UTF-8") from problem
    if not text.strip():
        return None, f"{path.name} is empty: the words are missing"
    return " ".join(text.split()), None


def read_split_folders(folder: Path, names: ColumnNames) -> list[RowFile]:
    """Read an audiofolder whose parts (train, validation, test) have a metadata file each.

    Returns:
        One entry per part; empty if the folder is not built like that.
    """
    files: list[RowFile] = []
    for part in sorted(folder.iterdir()):
        split = SPLITS.get(part.name.lower())
        if split is None or not part.is_dir():
            continue
        for name in ("metadata.jsonl", "metadata.csv", "metadata.tsv"):
            if (part / name).is_file():
                read = read_json_lines if name.endswith(".jsonl") else read_table
                file = read(part / name, names)
                rows = tuple(_in_split(row, split) for row in file.rows)
                files.append(replace(file, rows=rows, format_name="audiofolder"))
                break
    return files


def _in_split(row: Row, split: str) -> Row:
    """Two parts may use the same file names, so rows without an id are named by part."""
    if row.utterance_id is None and isinstance(row.audio, str):
        name = f"{split}/{row.audio.rsplit('.', 1)[0]}"
        return replace(row, split=split, utterance_id=name)
    return replace(row, split=split)
