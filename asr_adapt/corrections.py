"""Tables of clips with a text to correct, which `finetune` reads again once people have done so.

Floor 2. Written for spreadsheets by `pseudo` (all clips, the doubtful first) and by `pick` (the
clips worth labelling). A cell never begins with what a spreadsheet takes for a formula.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import file_sha256, write_json, write_whole
from asr_adapt.records import Utterance

COLUMNS = ("audio", "text", "id", "speaker", "recording", "start", "duration", "language")
"""Columns of every table; ``context`` and those of the writer follow."""

WRITTEN_NAME = "written.json"
"""Which versions of a table were written: whatever else it holds is people's work."""

FORMULA_STARTS = ("=", "+", "-", "@")
"""First characters by which spreadsheets know a formula
(https://owasp.org/www-community/attacks/CSV_Injection)."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One row.

    Attributes:
        utterance: the clip.
        text: what it is thought to say.
        notes: further cells by column, the same columns in every row.
    """

    utterance: Utterance
    text: str
    notes: Mapping[str, str]


def refuse_corrected(path: Path, folder: Path) -> None:
    """Refuse to replace a table that somebody has changed since it was written, or wrote.

    Args:
        path: the table.
        folder: the folder of the decodings that it is made of, where each version is noted.

    Raises:
        UsageError: it is there, and not as it was written.
    """
    if path.exists() and not (path.is_file() and file_sha256(path) in _written(folder)):
        raise UsageError(
            f"{path}: is there already and may hold corrections; move it, or use another --out"
        )


def _written(folder: Path) -> list[str]:
    """Return the checksums of every version of the table; none where that is not known."""
    try:
        found = json.loads((folder / WRITTEN_NAME).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []


def replace_corrections(path: Path, rows: Sequence[Correction], folder: Path) -> None:
    """Write rows as `write_corrections` does, in place of an older table but not of corrections.

    Raises:
        DataError: a context phrase holds the sign that separates phrases.
        UsageError: the table was changed; ``folder`` is as in `refuse_corrected`.
    """
    refuse_corrected(path, folder)
    digest = hashlib.sha256(corrections_text(path, rows).encode()).hexdigest()
    # Noted first: a kill in between must not turn our own table into somebody's corrections.
    write_json(folder / WRITTEN_NAME, {"sha256": sorted({*_written(folder), digest})})
    write_corrections(path, rows)


def write_corrections(path: Path, rows: Sequence[Correction]) -> None:
    """Write rows as a CSV that spreadsheets open and `asr_adapt.importers` reads.

    Raises:
        DataError: a context phrase holds the sign that separates phrases.
    """
    text = corrections_text(path, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def corrections_text(path: Path, rows: Sequence[Correction]) -> str:
    """Return the table that `write_corrections` writes.

    Audio paths inside the table's folder are written relative to it, others absolute; reading
    those takes ``--allow-outside``.

    Raises:
        DataError: a context phrase holds the sign that separates phrases.
    """
    columns = [*COLUMNS, "context", *(rows[0].notes if rows else ())]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    root = path.parent.resolve()
    for row in rows:
        cells = {**clip_cells(row.utterance, root), "text": row.text, **row.notes}
        table.writerow({name: harmless(cells[name]) for name in columns})
    return text.getvalue()


def clip_cells(utterance: Utterance, root: Path) -> dict[str, str]:
    """Return the cells that say which clip it is."""
    u = utterance
    if bad := next((p for p in u.context if "|" in p), None):
        raise DataError(f"utterance '{u.utterance_id}': context phrase '{bad}' holds a '|'")
    audio = Path(os.path.realpath(u.audio_path))
    inside = audio.is_relative_to(root)
    return {
        "audio": (audio.relative_to(root) if inside else audio).as_posix(),
        "id": u.utterance_id,
        "speaker": u.speaker or "",
        "recording": u.recording_id or "",
        "start": f"{u.start_s:.3f}",
        "duration": f"{u.duration_s:.3f}",
        "language": u.language,
        # One phrase that holds a ";" would be read as two without a "|" after it.
        "context": "|".join(u.context) + ("|" if len(u.context) == 1 else ""),
    }


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs, on one line; blanks at its ends are not read back.

    >>> harmless("=1+1"), harmless("over and out")
    (' =1+1', 'over and out')
    """
    line = " ".join(cell.split())
    return f" {line}" if line.startswith(FORMULA_STARTS) else line
