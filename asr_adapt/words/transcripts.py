"""Transcripts of recordings as files: plain text, SubRip, WebVTT and JSON.

Floor 1. Formats: https://www.w3.org/TR/webvtt1/ and
https://www.matroska.org/technical/subtitles.html#srt-subtitles
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asr_adapt.files import write_whole


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in one stretch of a recording.

    Attributes:
        start_s: where it starts, in seconds.
        end_s: where it ends.
        text: what was decoded; empty where nothing was.
        avg_logprob: mean log-probability of its tokens; None if nothing was decoded.
        flags: what is suspicious about it, as in ``Hypothesis``.
        error: why it could not be decoded.
    """

    start_s: float
    end_s: float
    text: str
    avg_logprob: float | None = None
    flags: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole recording: ``name`` of its files, its sound, what was heard, and how."""

    name: str
    audio: str
    duration_s: float
    heard: Sequence[Heard]
    made_with: Mapping[str, object]


def render_txt(transcript: Transcript) -> str:
    """One line for each stretch, without times."""
    return "".join(f"{' '.join(h.text.split())}\n" for h in transcript.heard if h.text)


def render_srt(transcript: Transcript) -> str:
    """Numbered cues; an arrow in a text, which would end the cue, loses a dash."""
    cues = [h for h in transcript.heard if h.text]
    return "".join(
        f"{number}\n{clock(h.start_s, ',')} --> {clock(h.end_s, ',')}\n"
        f"{' '.join(h.text.split()).replace('-->', '->')}\n\n"
        for number, h in enumerate(cues, start=1)
    )


def render_vtt(transcript: Transcript) -> str:
    """Cues with ``&``, ``<`` and ``>`` escaped."""
    cues = "".join(
        f"{clock(h.start_s, '.')} --> {clock(h.end_s, '.')}\n"
        f"{html.escape(' '.join(h.text.split()), quote=False)}\n\n"
        for h in transcript.heard
        if h.text
    )
    return f"WEBVTT\n\n{cues}"


def render_json(transcript: Transcript) -> str:
    """One object with everything that is known, stretches without words too."""
    segments = [asdict(h) for h in transcript.heard]
    whole = {
        "audio": transcript.audio,
        "duration_s": transcript.duration_s,
        "made_with": dict(transcript.made_with),
        "segments": segments,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


RENDERERS: dict[str, Callable[[Transcript], str]] = {
    "txt": render_txt,
    "srt": render_srt,
    "vtt": render_vtt,
    "json": render_json,
}
"""How a transcript is written, by suffix."""


def clock(seconds: float, point: str) -> str:
    """Return a time as subtitles have it.

    >>> clock(3725.0504, ",")
    '01:02:05,050'
    """
    ms = round(seconds * 1000)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"


def write_transcript(transcript: Transcript, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write a transcript in some formats, each file whole; return the files."""
    paths: list[Path] = []
    for name in formats:
        paths.append(folder / f"{transcript.name}.{name}")
        write_whole(paths[-1], RENDERERS[name](transcript))
    return paths
