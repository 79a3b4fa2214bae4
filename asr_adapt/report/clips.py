"""Cut the sound of shown utterances into small files beside the report.

Reads the audio that the manifest names, writes ``OUT/audio/<hash>.wav`` (16 kHz, 16 bit, mono).
Audio that cannot be read is no reason to have no report: the player is then left out.
"""

from __future__ import annotations

import hashlib
import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_adapt.audio import SAMPLE_RATE_HZ, load_utterance
from asr_adapt.errors import AudioError
from asr_adapt.records import Utterance

CLIP_FOLDER = "audio"


def write_clip(utterance: Utterance, out_dir: Path) -> str | None:
    """Write the sound of an utterance.

    The file is named after its content, so two reports in one folder share clips and no name
    from the data ever becomes a path.

    Returns:
        The path relative to ``out_dir``, with forward slashes; None if there is no sound to play.
    """
    try:
        samples = load_utterance(utterance)
    except AudioError:
        return None
    content = _wav(samples)
    name = f"{CLIP_FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}.wav"
    path = out_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def _wav(samples: NDArray[np.float32]) -> bytes:
    """Return the bytes of a 16-bit wav file; what exceeds full scale is clipped, not wrapped."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
