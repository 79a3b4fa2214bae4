"""Clips in which nobody speaks, over a recipe's own radio: what is heard in them is made up.

Draws noise of an empty channel, open carriers without a voice and a squelch that opens for nothing;
writes the audio and returns rows with an empty reference and the tag ``kind``. The same seed gives
the same clips on the same kind of processor. Refuses (UsageError) a channel that there is not.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_adapt.audio import SAMPLE_RATE_HZ, probe_audio, write_flac
from asr_adapt.channel.microphone import SILENCE_RMS, microphone_noise
from asr_adapt.channel.settings import MicNoise
from asr_adapt.channel.signals import as_generator, band_pass, frequencies_hz
from asr_adapt.links import Link, draw_link, received
from asr_adapt.records import Utterance

KINDS = ("noise", "carrier", "squelch")
"""An open receiver with nothing to receive; somebody who keys and does not speak, with engine and
wind at the microphone; a closed squelch, which noise may open for a moment."""

LENGTH_S = (2.0, 9.7)
"""A link's squelch may add 0.3 s, so no clip is longer than 10 s."""

NOISE_ONLY_DB = (-20.0, -10.0)
"""Carrier-to-noise ratios at which nothing of a carrier is left."""
DIGITAL_EDGE_DB = (2.0, 7.0)
"""Without a carrier a digital receiver is mute; here it decodes wrong bits, and mutes at times."""

MICROPHONE_DB = (0.0, 20.0)
"""How far the noise at the microphone lies below what a radio would take for a voice."""

RECORDER_DB = (-80.0, -60.0)
"""Noise of the recorder itself below full scale, which is all that a closed squelch leaves."""
MOST_OPENINGS = 3
OPENING_S = (0.05, 0.4)


def make_silence(
    radio: tuple[str, tuple[float, float]],
    name: str,
    count: int,
    out_dir: Path,
    source: tuple[int, int],
    progress: Callable[[int, int], None],
) -> list[Utterance]:
    """Make clips without speech, of every kind in turn.

    Args:
        radio: channel and range of the carrier-to-noise ratio in dB, see `asr_adapt.links`.
        name: of the clips, which are numbered; other names get other clips.
        count: how many.
        out_dir: gets the audio, in ``audio``; what is there already is kept.
        source: seed, and version of the recipe.
        progress: told how many are done, of how many.

    Returns:
        Rows with the reference ``""``, 2 to 10 s long.

    Raises:
        UsageError: there is no such channel.
        EnvironmentProblem: codec2 is missing and cannot be fetched.
    """
    rows = []
    for index in range(count):
        rows.append(_make_clip(radio, f"{name}-{index:04d}", index, out_dir / "audio", source))
        progress(index + 1, count)
    return rows


def _make_clip(
    radio: tuple[str, tuple[float, float]],
    clip_id: str,
    index: int,
    folder: Path,
    source: tuple[int, int],
) -> Utterance:
    channel, cnr_db = radio
    kind = KINDS[index % len(KINDS)]
    rng = np.random.default_rng((source[0], 30, zlib.crc32(clip_id.encode())))
    parts = (clip_id, channel, cnr_db, kind, source)
    path = folder / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.flac"
    link = draw_link(channel, rng, cnr_db if kind == "carrier" else _empty(channel))
    if not path.exists():
        write_flac(path, _sound(kind, link, rng))
    tags = {"set": "silence", "kind": kind, "channel": channel}
    if kind != "squelch":
        tags |= link.tags
    return Utterance(
        utterance_id=clip_id,
        audio_path=path,
        start_s=0.0,
        duration_s=probe_audio(path).duration_s,
        reference="",
        recording_id=clip_id,
        tags=tags,
    )


def _empty(channel: str) -> tuple[float, float]:
    return DIGITAL_EDGE_DB if channel == "digital" else NOISE_ONLY_DB


def _sound(kind: str, link: Link, rng: np.random.Generator) -> NDArray[np.float32]:
    samples = round(float(rng.uniform(*LENGTH_S)) * SAMPLE_RATE_HZ)
    heard = received(link, background(samples, rng), int(rng.integers(2**31)))
    return shut(heard, rng) if kind == "squelch" else heard


def background(samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return engine and wind at a microphone into which nobody speaks.

    It is so quiet that no channel takes it for a voice, which would be turned up.

    Args:
        samples: at 16 kHz.
        rng: source of all draws.

    Returns:
        Float32, shape (samples,).
    """
    length = samples + samples % 2
    freq_hz = frequencies_hz(length, SAMPLE_RATE_HZ)
    noise = MicNoise(engine_share=float(rng.uniform(0, 1)), engine_hz=float(rng.uniform(20, 120)))
    generator = as_generator(int(rng.integers(2**31)))
    band = band_pass(freq_hz, 100.0, 7000.0, 2)
    sound = microphone_noise(noise, freq_hz, band, length, generator).numpy()[:samples]
    rms = SILENCE_RMS * 10 ** (-rng.uniform(*MICROPHONE_DB) / 20)
    quiet: NDArray[np.float32] = (sound * rms).astype(np.float32)
    return quiet


def shut(heard: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what a closed squelch leaves of a sound: none to three short moments of it.

    Args:
        heard: float32 at 16 kHz, shape (samples,).
        rng: source of all draws.
    """
    gate = np.zeros(len(heard), np.float32)
    for _ in range(int(rng.integers(MOST_OPENINGS + 1))):
        start = int(rng.integers(len(heard)))
        gate[start : start + round(float(rng.uniform(*OPENING_S)) * SAMPLE_RATE_HZ)] = 1.0
    floor = rng.standard_normal(len(heard)) * 10 ** (rng.uniform(*RECORDER_DB) / 20)
    left: NDArray[np.float32] = (heard * gate + floor).astype(np.float32)
    return left
