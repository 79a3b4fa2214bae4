"""Transcripts: what is written is read again by the programs that others use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pysubs2
import pytest
import soundfile
import webvtt

from asr_adapt.manifest import load_data
from asr_adapt.words.transcripts import RENDERERS, Heard, Transcript, clock, write_transcript

HEARD = (
    Heard(0.5, 2.25, "Elbe Traffic, this is Ada", -0.25),
    Heard(3.0, 4.0, ""),
    Heard(5.0, 6.5, "<b>go</b> ahead --> & say\n\nover", -0.5, ("loop",)),
    Heard(3661.9996, 3663.0, "Über Kanal 16"),
    Heard(3670.0, 3671.0, "", error="truncated"),
)
TRANSCRIPT = Transcript("call", "call.wav", 3700.0, HEARD, {"model": {"name": "toy"}})
TIMES = [(0.5, 2.25), (5.0, 6.5), (3662.0, 3663.0)]


def test_webvtt_is_what_webvtt_py_reads(tmp_path: Path) -> None:
    (path,) = write_transcript(TRANSCRIPT, tmp_path, ["vtt"])
    captions = webvtt.read(str(path)).captions
    assert [(c.start_in_seconds, c.end_in_seconds) for c in captions] == [
        (int(start), int(end)) for start, end in TIMES
    ]
    assert [c.start for c in captions] == ["00:00:00.500", "00:00:05.000", "01:01:02.000"]
    assert captions[2].text == "Über Kanal 16"


def test_subrip_is_what_pysubs2_reads(tmp_path: Path) -> None:
    (path,) = write_transcript(TRANSCRIPT, tmp_path, ["srt"])
    events = pysubs2.load(str(path)).events
    assert [(e.start / 1000, e.end / 1000) for e in events] == TIMES
    assert events[0].plaintext == "Elbe Traffic, this is Ada"


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_come_back_as_utterances(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "call.wav", np.full(1000 * 3700, 0.1, np.float32), 1000)
    write_transcript(TRANSCRIPT, tmp_path, [name])
    rows = load_data(tmp_path / f"call.{name}").usable()
    assert [(u.start_s, round(u.start_s + u.duration_s, 6)) for u in rows] == TIMES
    assert rows[0].reference == "Elbe Traffic, this is Ada"
    assert rows[2].reference == "Über Kanal 16"
    if name == "vtt":
        assert rows[1].reference == "<b>go</b> ahead --> & say over"


def test_text_has_a_line_for_each_stretch_and_json_has_everything(tmp_path: Path) -> None:
    text, whole = write_transcript(TRANSCRIPT, tmp_path, ["txt", "json"])
    assert text.read_text().splitlines() == [
        "Elbe Traffic, this is Ada",
        "<b>go</b> ahead --> & say over",
        "Über Kanal 16",
    ]
    values = json.loads(whole.read_text())
    assert values["made_with"] == {"model": {"name": "toy"}}
    assert [Heard(**{**s, "flags": tuple(s["flags"])}) for s in values["segments"]] == list(HEARD)


def test_nothing_heard_gives_files_without_cues(tmp_path: Path) -> None:
    silent = Transcript("call", "call.wav", 3.0, (), {})
    srt, vtt = write_transcript(silent, tmp_path, ["srt", "vtt"])
    assert srt.read_text() == ""
    assert webvtt.read(str(vtt)).captions == []
    assert set(RENDERERS) == {"txt", "srt", "vtt", "json"}


@pytest.mark.parametrize("ms", [0, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 360_000_001])
def test_a_clock_tells_the_time(ms: int) -> None:
    hours, minutes, rest = clock(ms / 1000, ".").split(":")
    assert round((int(hours) * 3600 + int(minutes) * 60 + float(rest)) * 1000) == ms
