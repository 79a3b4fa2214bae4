"""STM and CTM, the segment and word files of NIST's scorer.

Read here: meeteval, the kept reader, has no wheels and keeps an STM label among the words.
Format: https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.rows import RowFile, SkippedRow
from asr_adapt.importers.segments import Segment, merge_segments, segment_row
from asr_adapt.importers.texts import find_sound, read_text

IGNORED = ("ignore_time_segment_in_scoring", "inter_segment_gap", "excluded_region")
"""Words and speakers of STM stretches that are not to be scored."""
MAX_WORD_GAP_S = 1.0
"""Words of a CTM further apart are separate utterances."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One line, its times in seconds."""

    line: int
    recording: str
    channel: str
    start_s: float
    end_s: float
    text: str
    speaker: str | None


class _BadLineError(Exception):
    """A line that cannot be used, and why."""


def read_stm(path: Path, _: ColumnNames) -> RowFile:
    """Read segments: recording, channel, speaker, start, end, perhaps a label, words.

    Raises:
        ManifestError: the file as a whole cannot be read.
    """
    parts, skipped = _read_lines(path, _stm_part)
    kept = [part for part in parts if not _is_ignored(part)]
    segments, silent = _segments(path, kept)
    left_out = len(parts) - len(kept)
    note = f" ({left_out} segments not to be scored left out)" if left_out else ""
    rows = tuple(segment_row(segment) for segment in segments)
    return RowFile(path, path.parent, rows, (*skipped, *silent), f"STM{note}", _MAPPING)


def read_ctm(path: Path, _: ColumnNames) -> RowFile:
    """Read words with times, joined to utterances: recording, channel, start, duration, word.

    Raises:
        ManifestError: the file as a whole cannot be read.
    """
    parts, skipped = _read_lines(path, _ctm_part)
    segments, silent = _segments(path, parts)
    rows = tuple(
        segment_row(segment) for segment in merge_segments(segments, longest_pause_s=MAX_WORD_GAP_S)
    )
    name = f"CTM ({len(parts)} words)"
    return RowFile(path, path.parent, rows, (*skipped, *silent), name, _MAPPING)


_MAPPING = {"audio": "the first field and a suffix", "text": "words"}


def _read_lines(
    path: Path, parse: Callable[[int, str], _Part]
) -> tuple[list[_Part], list[SkippedRow]]:
    parts: list[_Part] = []
    skipped: list[SkippedRow] = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", read_text(path)), start=1):
        if not line.strip() or line.lstrip().startswith(";;"):
            continue
        try:
            parts.append(parse(number, line))
        except _BadLineError as problem:
            skipped.append(SkippedRow(path, number, str(problem)))
    if not parts and not skipped:
        raise ManifestError(path, "holds nothing but comments", 1)
    return parts, skipped


def _stm_part(line: int, text: str) -> _Part:
    fields = text.split(maxsplit=5)
    if len(fields) < 5:
        raise _BadLineError(f"has {len(fields)} fields; need: recording channel speaker start end")
    recording, channel, speaker, start, end = fields[:5]
    words = fields[5].strip() if len(fields) > 5 else ""
    label = re.match(r"<[^<>]*,[^<>]*>\s*|<[^<>\s]*>\s+", words)  # <o,f0,male> is no word
    words = words[label.end() :] if label else words
    return _Part(line, recording, channel, _time(start), _time(end), words, speaker)


def _ctm_part(line: int, text: str) -> _Part:
    fields = text.split()
    if len(fields) < 5:
        raise _BadLineError(f"has {len(fields)} fields; need: recording channel start length word")
    recording, channel, start, length, word = fields[:5]
    if start == "*":
        raise _BadLineError("holds alternatives; write one transcript")
    start_s = _time(start)
    return _Part(line, recording, channel, start_s, start_s + _time(length), word, _speaker(fields))


def _speaker(fields: list[str]) -> str | None:
    """The eighth field of a CTM names a speaker in Rich Transcription files."""
    return fields[7] if len(fields) > 7 and fields[7] not in ("<NA>", "unknown") else None


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError as problem:
        raise _BadLineError(f"'{text[:40]}' is not a number of seconds") from problem


def _is_ignored(part: _Part) -> bool:
    return part.text.lower() in IGNORED or (part.speaker or "").lower() in IGNORED


def _segments(path: Path, parts: list[_Part]) -> tuple[list[Segment], list[SkippedRow]]:
    """Find the sound of each part; recordings of several channels are refused, not mixed."""
    channels: dict[str, set[str]] = {}
    for part in parts:
        channels.setdefault(part.recording, set()).add(part.channel)
    sounds = {name: find_sound(path.parent, name) for name in channels}
    segments: list[Segment] = []
    skipped: list[SkippedRow] = []
    for part in parts:
        audio = sounds[part.recording]
        if audio is None:
            reason = f"no sound file '{part.recording[:80]}.wav' or alike beside it"
            skipped.append(SkippedRow(path, part.line, reason))
        elif len(channels[part.recording]) > 1:
            named = ", ".join(sorted(channels[part.recording]))
            reason = f"'{part.recording}' has channels {named}; give each a sound file of its own"
            skipped.append(SkippedRow(path, part.line, reason))
        else:
            times = (part.start_s, part.end_s)
            segments.append(Segment(part.line, audio, *times, part.text, part.speaker))
    return segments, skipped
