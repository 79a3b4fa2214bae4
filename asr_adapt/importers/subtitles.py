"""Subtitles beside a long recording: SubRip (.srt) and WebVTT (.vtt), cues joined up to 30 s.

Read here and not by a library, because pysubs2 and webvtt-py pass over broken cues without a word
and know no line numbers. Formats: https://www.w3.org/TR/webvtt1/ and
https://www.matroska.org/technical/subtitles.html#srt-subtitles
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.rows import RowFile, SkippedRow
from asr_adapt.importers.segments import Segment, merge_segments, segment_row
from asr_adapt.importers.texts import beside_or_stem, read_text

_TIME = r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d)[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_TAG = re.compile(r"</?[A-Za-z][^>]*>|</?\d[\d:.]*>|\{\\[^}]*\}")
"""Markup of cues: <i>, <c.yellow>, <00:01.000> and the {\\an8} of SubStation files."""
_NO_CUE = ("NOTE", "STYLE", "REGION", "WEBVTT")

Block = list[tuple[int, str]]


def read_subtitles(path: Path, _: ColumnNames) -> RowFile:
    """Read the cues of a subtitle file; the recording is the sound file of the same name.

    Raises:
        ManifestError: the file cannot be read, holds no cue, or has no sound beside it.
    """
    text = read_text(path)
    is_vtt = path.suffix.lower() == ".vtt"
    if is_vtt and not text.startswith("WEBVTT"):
        raise ManifestError(path, "does not begin with WEBVTT", 1)
    audio = beside_or_stem(path)
    segments: list[Segment] = []
    skipped: list[SkippedRow] = []
    for block in _blocks(text):
        try:
            segments.extend(_cues(block, audio, is_vtt))
        except _BadCueError as problem:
            skipped.append(SkippedRow(path, problem.line, problem.reason))
    if not segments and not skipped:
        raise ManifestError(path, "holds no cue: '00:00:01,000 --> 00:00:04,000' and words", 1)
    rows = tuple(segment_row(segment) for segment in merge_segments(segments))
    name = f"{'WebVTT' if is_vtt else 'SubRip'} subtitles ({len(segments)} cues)"
    return RowFile(path, path.parent, rows, tuple(skipped), name, {"audio": audio, "text": "cues"})


class _BadCueError(Exception):
    """A block that is no cue."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason


def _blocks(text: str) -> Iterator[Block]:
    """Yield runs of lines between blank ones, with their numbers."""
    block: Block = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if line.strip():
            block.append((number, line.strip()))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _cues(block: Block, audio: str, is_vtt: bool) -> Iterator[Segment]:
    """Yield the cue of a block; several where the blank line between them is missing."""
    if is_vtt and block[0][1].split()[0] in _NO_CUE and "-->" not in block[0][1]:
        return
    timings = [at for at, (_, line) in enumerate(block) if "-->" in line]
    if not timings or timings[0] > 1:
        raise _BadCueError(block[0][0], f"no time above the words '{block[0][1][:40]}'")
    for at, following in zip(timings, [*timings[1:], None], strict=True):
        end = following
        if end is not None and block[end - 1][1].isdigit():  # the number of the next cue
            end -= 1
        yield from _voices(block[at], block[at + 1 : end], audio)


def _voices(timing: tuple[int, str], lines: Block, audio: str) -> Iterator[Segment]:
    """Yield what each voice says in one cue; a cue without words is a pause."""
    number, written = timing
    match = _TIMING.match(written)
    if match is None:
        raise _BadCueError(number, f"'{written[:40]}' is no time: 00:00:01,000 --> 00:00:04,000")
    groups = match.groups()
    start_s, end_s = _seconds(groups[:4]), _seconds(groups[4:])
    pieces = _VOICE.split(" ".join(line for _, line in lines))
    for speaker, said in zip([None, *pieces[1::2]], pieces[::2], strict=True):
        words = " ".join(html.unescape(_TAG.sub("", said)).split())
        if words:
            name = speaker.strip() if speaker else None
            yield Segment(number, audio, start_s, end_s, words, name)


def _seconds(groups: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = groups
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000
