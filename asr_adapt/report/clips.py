"""Cut the sound of shown utterances into small files beside the report, and paint it.

Reads the audio that the manifest names, writes ``OUT/audio/<hash>.wav`` (16 kHz, 16 bit, mono) and
``OUT/audio/<hash>.png``, its spectrogram. Audio that cannot be read or painted is no reason to have
no report: the player or the picture is then left out.
"""

from __future__ import annotations

import hashlib
import io
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr_adapt.audio import SAMPLE_RATE_HZ, Samples, load_utterance
from asr_adapt.errors import AudioError, EnvironmentProblem
from asr_adapt.records import Utterance
from asr_adapt.report.plots import paint_spectrogram
from asr_adapt.spectrogram import RANGE_DB, mel_decibels

CLIP_FOLDER = "audio"


@dataclass(frozen=True, slots=True)
class Picture:
    """A spectrogram: its path relative to the report and its size in pixels."""

    path: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Clip:
    """The sound of an utterance beside the report.

    Attributes:
        path: of the sound, relative to the report, with forward slashes.
        duration_s: its length.
        picture: its spectrogram; None where none can be made.
    """

    path: str
    duration_s: float
    picture: Picture | None


def write_clip(utterance: Utterance, out_dir: Path) -> Clip | None:
    """Write the sound of an utterance and its spectrogram.

    Files are named after the sound in them, so two reports in one folder share clips and no name
    from the data ever becomes a path.

    Returns:
        What was written; None if there is no sound to play.
    """
    try:
        samples = load_utterance(utterance)
    except AudioError:
        return None
    content = _wav(samples)
    stem = f"{CLIP_FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}"
    (out_dir / CLIP_FOLDER).mkdir(parents=True, exist_ok=True)
    (out_dir / f"{stem}.wav").write_bytes(content)
    picture = _write_picture(samples, f"{stem}.png", out_dir)
    return Clip(f"{stem}.wav", len(samples) / SAMPLE_RATE_HZ, picture)


def _write_picture(samples: Samples, name: str, out_dir: Path) -> Picture | None:
    try:
        decibels = mel_decibels(samples)
    except EnvironmentProblem:
        return None
    (out_dir / name).write_bytes(paint_spectrogram(decibels, -RANGE_DB))
    height, width = decibels.shape
    return Picture(name, width, height)


def _wav(samples: Samples) -> bytes:
    """Return the bytes of a 16-bit wav file; what exceeds full scale is clipped, not wrapped."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
