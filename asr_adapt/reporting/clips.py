"""Cut the sound of shown utterances into small files beside the report, and paint it.

Reads the audio that the manifest names, writes ``OUT/audio/<hash>.wav`` (16 kHz, 16 bit, mono)
and ``OUT/audio/<hash>.png``, its wave and spectrogram. Audio that cannot be read or painted is no
reason to have no report: the player or the picture is then left out.
"""

from __future__ import annotations

import hashlib
import io
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_adapt.audio import SAMPLE_RATE_HZ, Samples, load_utterance
from asr_adapt.errors import AudioError, EnvironmentProblem
from asr_adapt.records import Utterance
from asr_adapt.reporting.plots import WAVE_ROWS, paint_sound
from asr_adapt.spectrogram import HOP_FRAMES, mel_decibels

CLIP_FOLDER = "audio"


@dataclass(frozen=True, slots=True)
class Picture:
    """The wave and spectrogram of a sound: a path relative to the report, its size in pixels."""

    path: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Clip:
    """The sound of an utterance beside the report.

    Attributes:
        path: of the sound, relative to the report, with forward slashes.
        duration_s: its length.
        picture: how it looks; None where none can be made.
    """

    path: str
    duration_s: float
    picture: Picture | None


def write_clip(utterance: Utterance, out_dir: Path) -> Clip | None:
    """Write the sound of an utterance and its picture.

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
    columns = decibels.shape[1]
    content = paint_sound(_envelope(samples, columns), decibels)
    (out_dir / name).write_bytes(content)
    return Picture(name, columns, decibels.shape[0] + WAVE_ROWS)


def _wav(samples: Samples) -> bytes:
    """Return the bytes of a 16-bit wav file; what exceeds full scale is clipped, not wrapped.

    FLAC would take half of the room, but Chromium 156 fails to seek in many short FLAC files.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _envelope(samples: Samples, columns: int) -> NDArray[np.float32]:
    """Return the least and the greatest sample around each column, shape ``(2, columns)``."""
    padded = np.pad(samples, (0, max(0, columns * HOP_FRAMES - len(samples))))
    slots = padded[: columns * HOP_FRAMES].reshape(columns, HOP_FRAMES)
    return np.stack([slots.min(axis=1), slots.max(axis=1)]).astype(np.float32)
