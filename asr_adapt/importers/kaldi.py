"""Kaldi data folders: wav.scp, text, and segments and utt2spk where they are there.

Entries of wav.scp that are commands are refused: nothing in a data folder is ever run.
Format: https://kaldi-asr.org/doc/data_prep.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.rows import MAX_LINE_BYTES, Row, RowFile, SkippedRow


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    value: str


@dataclass(slots=True)
class _Folder:
    """What the files say, by key, and the lines that say nothing."""

    path: Path
    skipped: list[SkippedRow] = field(default_factory=list)

    def read(self, name: str) -> dict[str, _Entry]:
        """Read ``key value`` lines; a repeated key or a line without value is skipped."""
        entries: dict[str, _Entry] = {}
        for number, line in _lines(self.path / name):
            key, _, value = line.strip().partition(" ")
            if key in entries:
                self.skip(name, number, f"'{key}' is already on line {entries[key].line}")
            elif not value.strip():
                self.skip(name, number, f"nothing stands after '{key}'")
            else:
                entries[key] = _Entry(number, value.strip())
        return entries

    def skip(self, name: str, line: int, reason: str) -> None:
        """Note a line that cannot be used."""
        self.skipped.append(SkippedRow(self.path / name, line, reason))


def is_kaldi_folder(folder: Path) -> bool:
    """Say whether a folder is a Kaldi data folder."""
    return (folder / "wav.scp").is_file()


def read_kaldi(path: Path) -> RowFile:
    """Read a Kaldi data folder; relative audio paths start at the folder.

    Raises:
        ManifestError: one of the files as a whole cannot be read.
    """
    folder = _Folder(path)
    if not (path / "text").is_file():
        raise ManifestError(path, "a Kaldi folder without the file 'text'")
    audio = folder.read("wav.scp")
    texts = folder.read("text")
    has_segments = (path / "segments").is_file()
    segments = folder.read("segments") if has_segments else {}
    speakers = folder.read("utt2spk") if (path / "utt2spk").is_file() else {}
    rows: list[Row] = []
    for key, text in texts.items():
        parts = segments[key].value.split() if key in segments else [key]
        if has_segments and len(parts) != 3:
            folder.skip(
                "text", text.line, f"'{key}' has no line 'id recording start end' in segments"
            )
        elif parts[0] not in audio:
            folder.skip("text", text.line, f"recording '{parts[0]}' of '{key}' is not in wav.scp")
        else:
            speaker = speakers.get(key)
            rows.append(
                Row(
                    line=text.line,
                    audio=audio[parts[0]].value,
                    text=text.value,
                    utterance_id=key,
                    start=parts[1] if has_segments else None,
                    end=parts[2] if has_segments else None,
                    speaker=speaker.value if speaker else None,
                    recording=parts[0],
                )
            )
    for key, segment in segments.items():
        if key not in texts:
            folder.skip("segments", segment.line, f"'{key}' has no line in text")
    mapping = {"audio": "wav.scp", "text": "text"}
    mapping |= {"start": "segments", "end": "segments"} if has_segments else {}
    mapping |= {"speaker": "utt2spk"} if speakers else {}
    return RowFile(path / "text", path, tuple(rows), tuple(folder.skipped), "Kaldi folder", mapping)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that hold anything, with tabs as spaces."""
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(data) > MAX_LINE_BYTES:
                    raise ManifestError(path, f"a line of more than {MAX_LINE_BYTES} bytes", number)
                if line := data.decode("utf-8-sig").replace("\t", " ").strip():
                    yield number, line
    except UnicodeDecodeError as problem:
        raise ManifestError(path, "not UTF-8", number) from problem
    except OSError as problem:
        raise ManifestError(path, f"cannot be read: {problem.strerror or problem}") from problem
