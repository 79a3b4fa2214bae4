"""Cut out the sound of shown utterances and paint it, for files beside the report or for its page.

Reads the audio that the manifest names. `ClipFolder` writes ``OUT/audio/<hash>.wav`` (16 kHz,
16 bit, mono) and ``<hash>.png``, its wave and spectrogram; `ClipsInPage` returns the same bytes as
data: addresses (RFC 2397) while there is room. Audio that cannot be read or painted is no reason to
have no report: the player or the picture is then left out.
"""

from __future__ import annotations

import base64
import hashlib
import io
import wave
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr_adapt.audio import SAMPLE_RATE_HZ, Samples, load_utterance
from asr_adapt.errors import AudioError, EnvironmentProblem
from asr_adapt.records import Utterance
from asr_adapt.reporting.plots import WAVE_ROWS, paint_sound
from asr_adapt.spectrogram import HOP_FRAMES, mel_decibels

CLIP_FOLDER = "audio"


MOST_EMBEDDED_BYTES = 15_000_000
"""Sounds and pictures that a page holds itself, as base64. Mail servers commonly refuse messages
over 25 MB, and base64 in a mail takes 37 % more (RFC 2045, 6.8), so a page may have 18 MB; the
words of `build.MOST_EXAMPLES` utterances take up to 3 of them."""


class NoClip(Enum):
    """Why an utterance has no player; the value is what the page says."""

    UNREADABLE = "The sound cannot be read here."
    NO_ROOM = (
        "The sound is not in this file, which would be too large to mail; a report made without "
        "--embed-audio has it beside the page."
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """The wave and spectrogram of a sound: where it is, as for `Clip`, its size in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Clip:
    """The sound of a shown utterance.

    Attributes:
        address: path relative to the report, with forward slashes, or a data: address; made of
            letters, digits and signs that no markup knows.
        duration_s: its length.
        picture: how it looks; None where none can be made.
    """

    address: str
    duration_s: float
    picture: Picture | None

    @property
    def size(self) -> int:
        """Bytes of the page that the addresses take."""
        return len(self.address) + (len(self.picture.address) if self.picture else 0)

    def content(self, out_dir: Path) -> bytes:
        """Return the bytes of the wav file of a report in ``out_dir``."""
        _, comma, encoded = self.address.partition(",")
        return base64.b64decode(encoded) if comma else (out_dir / self.address).read_bytes()


class ClipStore(Protocol):
    """Where clips go."""

    def keep(self, utterance: Utterance) -> Clip | NoClip:
        """Keep the sound of an utterance and its picture."""


class ClipFolder:
    """Keeps clips in a folder beside the report.

    Files are named after the sound in them, so two reports in one folder share clips and no name
    from the data ever becomes a path.
    """

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = out_dir

    def keep(self, utterance: Utterance) -> Clip | NoClip:
        """Write the sound and its picture."""
        try:
            samples = load_utterance(utterance)
        except AudioError:
            return NoClip.UNREADABLE
        content, painting = _wav(samples), _paint(samples)
        stem = f"{CLIP_FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}"
        (self.out_dir / CLIP_FOLDER).mkdir(parents=True, exist_ok=True)
        (self.out_dir / f"{stem}.wav").write_bytes(content)
        picture = None
        if painting:
            (self.out_dir / f"{stem}.png").write_bytes(painting.png)
            picture = Picture(f"{stem}.png", painting.width, painting.height)
        return Clip(f"{stem}.wav", len(samples) / SAMPLE_RATE_HZ, picture)


class ClipsInPage:
    """Makes clips parts of the page while there is room; once one does not fit, none follows."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.full = False

    def keep(self, utterance: Utterance) -> Clip | NoClip:
        """Return the sound and its picture as data: addresses."""
        if self.full:
            return NoClip.NO_ROOM
        try:
            samples = load_utterance(utterance)
        except AudioError:
            return NoClip.UNREADABLE
        clip = _embedded(samples)
        self.full = clip.size > self.room_bytes
        if self.full:
            return NoClip.NO_ROOM
        self.room_bytes -= clip.size
        return clip


def _embedded(samples: Samples) -> Clip:
    painting, picture = _paint(samples), None
    if painting:
        picture = Picture(_data("image/png", painting.png), painting.width, painting.height)
    return Clip(_data("audio/wav", _wav(samples)), len(samples) / SAMPLE_RATE_HZ, picture)


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@dataclass(frozen=True, slots=True)
class _Painting:
    png: bytes
    width: int
    height: int


def _paint(samples: Samples) -> _Painting | None:
    try:
        decibels = mel_decibels(samples)
    except EnvironmentProblem:
        return None
    columns = decibels.shape[1]
    png = paint_sound(_envelope(samples, columns), decibels)
    return _Painting(png, columns, decibels.shape[0] + WAVE_ROWS)


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
