"""Segments of long recordings, from subtitles and annotation programs, on their way to rows.

Short neighbours of one speaker are joined up to Whisper's 30 s; nothing is cut, the sound file is
referred to by start and length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from asr_adapt.audio import MAX_UTTERANCE_S
from asr_adapt.importers.rows import Row

LONGEST_PAUSE_S = 2.0
"""Neighbours further apart are separate utterances: a turn has ended, or a call."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording as its file gives it; times are checked later, like those of rows.

    Attributes:
        line: its line in the file.
        audio: sound file, relative to the folder of the file.
        start_s: where it starts, in seconds.
        end_s: where it ends.
        text: what is said.
        speaker: who says it, where known.
    """

    line: int
    audio: str
    start_s: float
    end_s: float
    text: str
    speaker: str | None = None


def merge_segments(
    segments: Iterable[Segment], longest_pause_s: float = LONGEST_PAUSE_S
) -> Iterator[Segment]:
    """Join neighbours of one recording and speaker while they last at most 30 s together.

    A segment that ends before it starts joins nothing, so that its row is refused by its line.

    Args:
        segments: in the order of their file.
        longest_pause_s: neighbours further apart stay apart.
    """
    joined: Segment | None = None
    for segment in segments:
        if joined is not None and _belong_together(joined, segment, longest_pause_s):
            text = f"{joined.text} {segment.text}"
            joined = replace(joined, text=text, end_s=max(joined.end_s, segment.end_s))
            continue
        if joined is not None:
            yield joined
        joined = segment
    if joined is not None:
        yield joined


def _belong_together(first: Segment, second: Segment, longest_pause_s: float) -> bool:
    return (
        (first.audio, first.speaker) == (second.audio, second.speaker)
        and first.start_s < first.end_s
        and first.start_s <= second.start_s < second.end_s
        and second.start_s - first.end_s <= longest_pause_s
        and max(first.end_s, second.end_s) - first.start_s <= MAX_UTTERANCE_S
    )


def segment_row(segment: Segment) -> Row:
    """Return a segment as a row, named after its recording, speaker and time in milliseconds.

    Its times are as they stand in the file: what is no time is refused with the row.
    """
    stem = segment.audio.rsplit(".", 1)[0]
    speaker = f"-{segment.speaker}" if segment.speaker else ""
    start_ms = segment.start_s * 1000
    at = f"{round(start_ms):08d}" if math.isfinite(start_ms) else f"{start_ms:g}"
    return Row(
        line=segment.line,
        audio=segment.audio,
        text=segment.text,
        utterance_id=f"{stem}{speaker}-{at}",
        start=segment.start_s,
        end=segment.end_s,
        speaker=segment.speaker,
        recording=stem,
    )
