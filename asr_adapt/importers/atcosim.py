"""ATCOSIM: simulated air traffic control, one sound and one transcript for each utterance.

The folder has ``WAVdata/<speaker>/<session>/<id>.wav`` and the same below ``TXTdata`` as ``.txt``.
Utterances with words that nobody could make out, or in another language, are named and left out.
Format: K. Hofbauer and S. Petrik, "ATCOSIM", TR TUG-SPSC-2007-11, chapter 4.
"""

from __future__ import annotations

import re
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.rows import Row, RowFile, SkippedRow
from asr_adapt.importers.texts import read_text

SOUNDS, TEXTS = "WAVdata", "TXTdata"
_UNSURE = re.compile(r"\[(?:UNKNOWN|NONSENSE|FRAGMENT)\]")
_FOREIGN = re.compile(r"<FL>")
_OFF_TALK = re.compile(r"</?OT>")
_NOISE = re.compile(r"\[[A-Z]+\]")
_MARKS = str.maketrans({"~": " ", "@": "", "=": ""})
"""Before a letter that is said as such, before a proper name, and where a word breaks off."""


def is_atcosim_folder(folder: Path) -> bool:
    """Say whether a folder is ATCOSIM's."""
    return (folder / SOUNDS).is_dir() and (folder / TEXTS).is_dir()


def read_atcosim(folder: Path) -> RowFile:
    """Read ATCOSIM's folder; speakers are the folders below ``WAVdata``."""
    rows, skipped = [], []
    for sound in sorted((folder / SOUNDS).rglob("*.wav")):
        parts = sound.relative_to(folder / SOUNDS)
        label = (folder / TEXTS / parts).with_suffix(".txt")
        try:
            text = _words(label)
        except ManifestError as problem:
            skipped.append(SkippedRow(label, problem.line, problem.reason))
            continue
        audio, speaker = (Path(SOUNDS) / parts).as_posix(), parts.parts[0]
        rows.append(Row(None, audio, text, utterance_id=sound.stem, speaker=speaker))
    mapping = {"audio": f"{SOUNDS}/**.wav", "text": f"{TEXTS}/**.txt", "speaker": "folder"}
    return RowFile(folder, folder, tuple(rows), tuple(skipped), "ATCOSIM", mapping)


def _words(label: Path) -> str:
    """Return the words of a transcript, marks and noises taken away.

    Raises:
        ManifestError: there is no transcript, or it is not all words of English.
    """
    if not label.is_file():
        raise ManifestError(label, "is not there: the words are missing")
    text = read_text(label)
    if _UNSURE.search(text):
        raise ManifestError(label, "holds words that nobody could make out")
    if _FOREIGN.search(text):
        raise ManifestError(label, "holds another language")
    plain = _NOISE.sub(" ", _OFF_TALK.sub(" ", text)).translate(_MARKS)
    if not plain.split():
        raise ManifestError(label, "has no words")
    return " ".join(plain.split())
