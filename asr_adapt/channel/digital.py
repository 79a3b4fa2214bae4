"""Digital voice as land mobile radio carries it: a low-bit-rate codec over a fading, noisy path.

Modelled on Project 25, phase 1: 20 ms frames, the important bits behind a Golay code, the next
behind a Hamming code, the rest bare, and a receiver that repeats or mutes frames it cannot trust.
The codec itself is passed in (`Codec`; see `asr_adapt.links`). Reads and writes nothing. Refuses
signals that are not 1-D float32, finite and on the CPU (DataError) and unknown modes (UsageError).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asr_adapt.channel.fm import fading_gain
from asr_adapt.channel.microphone import SILENCE_RMS, pick_up
from asr_adapt.channel.settings import Fading, MicNoise, check_range
from asr_adapt.channel.signals import (
    AUDIO_RATE_HZ,
    GUARD_S,
    active_rms,
    as_generator,
    band_pass,
    check_speech,
    fast_length,
    frequencies_hz,
    resample_spectrum,
)
from asr_adapt.errors import DataError, UsageError

CODEC_RATE_HZ = AUDIO_RATE_HZ // 2
FADING_FRAME_S = 0.005


@dataclass(frozen=True, slots=True)
class CodecMode:
    """The frames of a codec's mode.

    Attributes:
        bits: of a frame, the most important first; packed into whole bytes, high bit first.
        frame_s: speech in a frame, in seconds.
    """

    bits: int
    frame_s: float

    @property
    def frame_bytes(self) -> int:
        """Bytes that a packed frame takes."""
        return -(-self.bits // 8)


MODES: Mapping[str, CodecMode] = {
    "3200": CodecMode(64, 0.02),
    "2400": CodecMode(48, 0.02),
    "1600": CodecMode(64, 0.04),
    "1300": CodecMode(52, 0.04),
    "700C": CodecMode(28, 0.04),
}
"""Modes of codec2 by name (https://github.com/drowe67/codec2, codec2.c); the first comes nearest to
the 4400 bit/s of Project 25."""

GOLAY = (23, 12, 3)
HAMMING = (15, 11, 1)
"""Length, message bits and errors that are corrected, as Project 25 protects its voice frames."""
P25_VOICE_BITS, P25_GOLAY_WORDS, P25_CODED_BITS = 88, 4, 4 * 23 + 3 * 15

REPEAT_ERRORS, REPEAT_SLOPE, REPEAT_FIRST = 10, 40, 2
MUTE_RATE = 0.0875
MOST_REPEATS = 3
ERROR_MEMORY = 0.95
"""When a receiver distrusts a frame: from 2 errors in the first word and 10 + 40 r in all 137 coded
bits it repeats the frame before; from r = 0.0875 on, or after 3 repeats, it mutes. r is the share
of errors, remembered by 0.95 from one 20 ms frame to the next (TIA-102.BABA, "Project 25 vocoder
description", frame repeats and frame muting)."""


class Codec(Protocol):
    """A voice codec at 8 kHz."""

    def encode(self, pcm: bytes, mode: str) -> bytes:
        """Return packed frames of 16-bit little-endian samples."""
        ...

    def decode(self, frames: bytes, mode: str) -> bytes:
        """Return the samples of packed frames."""
        ...


@dataclass(frozen=True, slots=True)
class DigitalSettings:
    """One digital voice link.

    Attributes:
        mode: of the codec, a key of `MODES`.
        cnr_db: mean energy per bit over noise density, in dB, which a receiver as wide as its bit
            rate sees as carrier to noise; 6.6 makes 5 % of the bits wrong without fading.
        level_db: active speech at the encoder, relative to full scale.
        agc: how far the microphone evens out the level: 0 not at all, 1 fully.
        mic_noise: noise at the microphone, or None.
        fading: of the radio path, or None.
    """

    mode: str = "3200"
    cnr_db: float = 15.0
    level_db: float = -22.0
    agc: float = 0.5
    mic_noise: MicNoise | None = None
    fading: Fading | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"digital voice: mode '{self.mode}' is none of {', '.join(MODES)}")
        check_range("digital voice", "cnr_db", self.cnr_db, -20, 80)
        check_range("digital voice", "level_db", self.level_db, -60, -6)
        check_range("digital voice", "agc", self.agc, 0, 1)


def digital_voice(
    speech: Tensor, settings: DigitalSettings, codec: Codec, seed: int | torch.Generator
) -> Tensor:
    """Send speech over a digital voice link.

    Args:
        speech: float32 mono at 16 kHz, shape (samples,); its level does not matter.
        settings: the link.
        codec: encodes and decodes.
        seed: of all that is random; the same one gives the same samples.

    Returns:
        Float32 mono at 16 kHz within [-1, 1], shape (samples,), late by the codec's delay.

    Raises:
        DataError: the signal is not 1-D float32, finite and on the CPU.
        EnvironmentProblem: the codec fails.
    """
    check_speech(speech)
    generator, mode = as_generator(seed), MODES[settings.mode]
    pcm = _microphone(speech, settings, generator)
    sent = _frames(codec.encode(pcm.astype("<i2").tobytes(), settings.mode), mode)
    ber = bit_error_rates(settings, len(sent), mode, generator)
    errors = torch.rand(len(sent), coded_bits(mode), generator=generator) < ber[:, None]
    heard, audible = receive(sent, errors.numpy(), mode)
    decoded = np.frombuffer(codec.decode(heard.tobytes(), settings.mode), "<i2")
    gate = torch.from_numpy(np.repeat(audible, round(mode.frame_s * CODEC_RATE_HZ)))
    samples = gate.numel()
    if decoded.size < samples:
        raise DataError(f"codec: {decoded.size} samples of {samples} came back; update codec2")
    loud = torch.from_numpy(decoded[:samples].astype(np.float32) / 32768)
    return _wide(loud * _softly(gate.to(torch.float32)), speech.numel())


def bit_error_rates(
    settings: DigitalSettings, frames: int, mode: CodecMode, generator: torch.Generator
) -> Tensor:
    """Return the share of wrong bits in each frame, shape (frames,).

    Binary frequency-shift keying, detected without knowledge of the phase: exp(-g / 2) / 2 at a
    ratio g of bit energy to noise density; averaged over Rayleigh fading that is 1 / (2 + mean g)
    (J. G. Proakis, "Digital Communications", sections 5-4-4 and 14-3).
    """
    ratio = torch.full((frames,), 10 ** (settings.cnr_db / 10))
    if settings.fading:
        steps = round(mode.frame_s / FADING_FRAME_S)
        gain = fading_gain(settings.fading, frames * steps, generator)
        ratio = ratio[:, None] * gain.abs().square().view(frames, steps)
        return (0.5 * torch.exp(-ratio / 2)).mean(1)
    return 0.5 * torch.exp(-ratio / 2)


def protection(mode: CodecMode) -> list[tuple[int, int, int]]:
    """Return the code words of a frame, in the shares that Project 25 gives its 88 voice bits.

    Returns:
        Length, message bits and corrected errors of each word; the last is bare.
    """
    golays = max(1, round(mode.bits * P25_GOLAY_WORDS / P25_VOICE_BITS))
    left = mode.bits - golays * GOLAY[1]
    hammings = left // HAMMING[1]
    bare = left - hammings * HAMMING[1]
    return [GOLAY] * golays + [HAMMING] * hammings + ([(bare, bare, 0)] if bare else [])


def coded_bits(mode: CodecMode) -> int:
    """Return how many bits of a frame are on the air."""
    return sum(length for length, _, _ in protection(mode))


def receive(sent: np.ndarray, errors: np.ndarray, mode: CodecMode) -> tuple[np.ndarray, np.ndarray]:
    """Correct what can be corrected, and repeat or mute the frames that cannot be trusted.

    A word with more errors than its code corrects keeps them all. What the receiver notices of
    them is as many as the code can correct.

    Args:
        sent: packed frames, uint8, shape (frames, bytes).
        errors: which bits on the air are wrong, bool, shape (frames, coded bits).
        mode: the codec's frames.

    Returns:
        The frames for the decoder, like ``sent``, and which are audible, bool, shape (frames,).
    """
    wrong, first, noticed, coded = correct(errors, mode)
    padded = np.zeros((len(sent), mode.frame_bytes * 8), bool)
    padded[:, : mode.bits] = wrong
    heard = sent ^ np.packbits(padded, axis=1)
    audible = np.ones(len(sent), bool)
    memory = ERROR_MEMORY ** (mode.frame_s / 0.02)
    rate, repeats = 0.0, 0
    for i in range(len(sent)):
        share = noticed[i] / coded
        rate = memory * rate + (1 - memory) * share
        limit = (REPEAT_ERRORS + REPEAT_SLOPE * rate) / P25_CODED_BITS
        bad = first[i] >= REPEAT_FIRST and share >= limit
        repeats = repeats + 1 if bad else 0
        audible[i] = rate <= MUTE_RATE and repeats <= MOST_REPEATS
        if bad and i:
            heard[i] = heard[i - 1]
    return heard, audible


def correct(errors: np.ndarray, mode: CodecMode) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return the message bits still wrong, errors noticed in the first word and in all, and bits.

    Args:
        errors: which bits on the air are wrong, bool, shape (frames, coded bits).
        mode: the codec's frames.
    """
    wrong, noticed, coded, start = [], [], 0, 0
    for length, message, corrected in protection(mode):
        word = errors[:, start : start + length]
        count = word.sum(1)
        wrong.append(word[:, :message] & (count > corrected)[:, None])
        if corrected:
            noticed.append(np.minimum(count, corrected))
            coded += length
        start += length
    return np.concatenate(wrong, 1), noticed[0], np.sum(noticed, axis=0), coded


def sample_digital_settings(
    rng: np.random.Generator, cnr_db_range: tuple[float, float] = (8.0, 25.0)
) -> DigitalSettings:
    """Draw a plausible link: a portable or a mobile, near or far from its repeater.

    The two modes nearest to those of real radios are drawn most often. The ratio is uniform in dB
    over the range; distributions are our choice, no survey stands behind them.

    Args:
        rng: source of all draws.
        cnr_db_range: lowest and highest mean ratio of bit energy to noise density in dB.

    Raises:
        UsageError: the range is reversed or outside what DigitalSettings allows.
    """
    low, high = cnr_db_range
    if not low <= high:
        raise UsageError(f"digital voice: range {low} to {high} dB is reversed; swap the ends")
    return DigitalSettings(
        mode=str(rng.choice(list(MODES), p=(0.5, 0.25, 0.1, 0.1, 0.05))),
        cnr_db=float(rng.uniform(low, high)),
        level_db=float(rng.uniform(-28, -16)),
        agc=float(rng.uniform(0.2, 0.9)),
        mic_noise=_sample_street(rng) if rng.random() < 0.5 else None,
        fading=_sample_fading(rng) if rng.random() < 0.6 else None,
    )


def _sample_street(rng: np.random.Generator) -> MicNoise:
    return MicNoise(
        snr_db=float(rng.uniform(12, 35)),
        engine_share=float(rng.uniform(0, 1)),
        engine_hz=float(rng.uniform(25, 120)),
    )


def _sample_fading(rng: np.random.Generator) -> Fading:
    # From somebody on foot at 450 MHz (2 Hz) to a car at 110 km/h at 450 MHz (46 Hz).
    return Fading(doppler_hz=float(10 ** rng.uniform(0.3, 1.65)), k_db=float(rng.uniform(3, 15)))


def _microphone(
    speech: Tensor, settings: DigitalSettings, generator: torch.Generator
) -> np.ndarray:
    """Return 16-bit samples at 8 kHz, within the telephone band, at the encoder's level."""
    samples = fast_length(speech.numel() + int(GUARD_S * AUDIO_RATE_HZ))
    freq_hz = frequencies_hz(samples, AUDIO_RATE_HZ)
    band = band_pass(freq_hz, 100.0, 3600.0, 8)
    voice = pick_up(speech, freq_hz, band, settings.mic_noise, settings.agc, generator)
    level = max(active_rms(voice[: speech.numel()]), SILENCE_RMS)
    narrow = resample_spectrum(torch.fft.rfft(voice), samples, samples // 2)
    loud = narrow * (10 ** (settings.level_db / 20) / level)
    return (loud * 32768).round().clamp(-32768, 32767).to(torch.int16).numpy()


def _frames(packed: bytes, mode: CodecMode) -> np.ndarray:
    whole = len(packed) // mode.frame_bytes
    if whole == 0:
        raise DataError("codec: the signal is shorter than one frame; leave the utterance out")
    used = np.frombuffer(packed, np.uint8, whole * mode.frame_bytes)
    return used.reshape(whole, mode.frame_bytes)


def _softly(gate: Tensor) -> Tensor:
    """Return the gate with ramps of 4 ms, so that muting does not click."""
    ramp = CODEC_RATE_HZ // 250
    padded = F.pad(gate.view(1, 1, -1), (ramp // 2, ramp // 2), mode="replicate")
    return F.avg_pool1d(padded, ramp + 1, stride=1).view(-1)


def _wide(narrow: Tensor, length: int) -> Tensor:
    """Return a signal of 8 kHz at 16 kHz, cut or padded to a length."""
    samples = fast_length(narrow.numel() + int(GUARD_S * CODEC_RATE_HZ))
    spectrum = torch.fft.rfft(F.pad(narrow, (0, samples - narrow.numel())))
    wide = resample_spectrum(spectrum, samples, 2 * samples)[: 2 * narrow.numel()]
    return F.pad(wide, (0, max(0, length - wide.numel())))[:length].clamp(-1, 1)
