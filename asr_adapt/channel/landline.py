"""A telephone line: 300-3400 Hz at 8 kHz, eight bits a sample by A-law or mu-law (ITU-T G.711).

Used like `vhf`: 16 kHz in, 16 kHz out, the same length. Companding is bit-exact G.711.
Refuses unknown laws and levels outside their range (UsageError).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from asr_adapt.channel.microphone import SILENCE_RMS
from asr_adapt.channel.settings import check_range
from asr_adapt.channel.signals import (
    AUDIO_RATE_HZ,
    GUARD_S,
    active_rms,
    as_generator,
    band_pass,
    check_speech,
    fast_length,
    frequencies_hz,
    pad_to,
    resample_spectrum,
)
from asr_adapt.errors import UsageError

Law = Literal["alaw", "mulaw"]

LINE_RATE_HZ = AUDIO_RATE_HZ // 2

MULAW_BIAS = 33
"""Offset of the mu-law segments, in steps of the 14-bit scale (ITU-T G.711, table 2a)."""


@dataclass(frozen=True, slots=True)
class TelephoneSettings:
    """One telephone line.

    Attributes:
        law: ``alaw`` (Europe and most of the world) or ``mulaw`` (North America, Japan).
        level_db: active speech level in dB relative to the overload point; -26 is the usual
            level of speech tests (ITU-T P.56 and P.800 practice).
        noise_db: white line noise within the band, relative to the overload point; None for none.
    """

    law: Law = "alaw"
    level_db: float = -26.0
    noise_db: float | None = None

    def __post_init__(self) -> None:
        if self.law not in get_args(Law):
            raise UsageError(f"telephone: law '{self.law}' is unknown; use alaw or mulaw")
        check_range("telephone", "level_db", self.level_db, -60, 0)
        if self.noise_db is not None:
            check_range("telephone", "noise_db", self.noise_db, -90, 0)


def telephone(speech: Tensor, settings: TelephoneSettings, seed: int | torch.Generator) -> Tensor:
    """Send speech over a telephone line.

    The band is that of ITU-T G.712 (300-3400 Hz), the coding ITU-T G.711. The level that comes
    out is ``settings.level_db``, whatever went in; digital silence stays at the idle code.

    Args:
        speech: float32 mono at 16 kHz, shape (samples,).
        settings: the line.
        seed: of the line noise.

    Returns:
        Float32 mono at 16 kHz, shape (samples,), within [-1, 1].

    Raises:
        DataError: if the signal is not 1-D float32, finite and on the CPU.
    """
    check_speech(speech)
    samples = fast_length(speech.numel() + int(GUARD_S * AUDIO_RATE_HZ))
    freq_hz = frequencies_hz(samples, AUDIO_RATE_HZ)
    spectrum = torch.fft.rfft(pad_to(speech, samples)) * band_pass(freq_hz, 300.0, 3400.0, 10)
    # Half of the grid is 8 kHz; the band filter has left nothing above 4 kHz that could alias.
    narrow = resample_spectrum(spectrum, samples, samples // 2)
    line = compand(_set_levels(narrow, speech.numel() // 2, settings, seed), settings.law)
    wide = resample_spectrum(torch.fft.rfft(line), samples // 2, samples)
    return wide[: speech.numel()].clamp(-1, 1)


def _set_levels(
    narrow: Tensor, voiced: int, settings: TelephoneSettings, seed: int | torch.Generator
) -> Tensor:
    level = active_rms(narrow[: max(voiced, 1)], LINE_RATE_HZ)
    line = narrow * (10 ** (settings.level_db / 20) / max(level, SILENCE_RMS))
    if settings.noise_db is None:
        return line
    noise = torch.randn(line.numel(), generator=as_generator(seed))
    return line + noise * 10 ** (settings.noise_db / 20)


def compand(line: Tensor, law: Law) -> Tensor:
    """Code samples with eight bits each and decode them again.

    Args:
        line: float32 in [-1, 1] at 8 kHz; beyond that it overloads, as a line does.
        law: the companding law.

    Returns:
        The decoded samples, one of 256 values each, same shape.
    """
    pcm = (line * 32768).round().clamp(-32768, 32767).to(torch.int32)
    decoded = decode_alaw(encode_alaw(pcm)) if law == "alaw" else decode_mulaw(encode_mulaw(pcm))
    return decoded.to(torch.float32) / 32768


def encode_alaw(pcm: Tensor) -> Tensor:
    """Code 16-bit samples as A-law octets, 0 to 255 (ITU-T G.711, table 1, even bits inverted)."""
    negative = pcm < 0
    # One's complement keeps the two halves alike: -1 falls into the first step, like 0.
    magnitude = torch.where(negative, ~pcm, pcm) >> 4
    segment = _segment(magnitude, 4)
    step = torch.where(segment > 0, magnitude >> (segment - 1).clamp(min=0), magnitude)
    code = (segment << 4) | (step & 0x0F)
    return (code | torch.where(negative, 0, 0x80)) ^ 0x55


def decode_alaw(octets: Tensor) -> Tensor:
    """Decode A-law octets to 16-bit samples, in the middle of each step."""
    code = octets ^ 0x55
    segment = (code & 0x70) >> 4
    middle = ((code & 0x0F) << 4) + 8
    magnitude = torch.where(segment > 0, (middle + 0x100) << (segment - 1).clamp(min=0), middle)
    return torch.where(code & 0x80 > 0, magnitude, -magnitude)


def encode_mulaw(pcm: Tensor) -> Tensor:
    """Code 16-bit samples as mu-law octets, 0 to 255 (ITU-T G.711, table 2, all bits inverted)."""
    linear = pcm >> 2
    negative = linear < 0
    magnitude = (linear.abs() + MULAW_BIAS).clamp(max=0x1FFF)
    segment = _segment(magnitude, 6)
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    return code ^ torch.where(negative, 0x7F, 0xFF)


def decode_mulaw(octets: Tensor) -> Tensor:
    """Decode mu-law octets to 16-bit samples."""
    code = octets ^ 0xFF
    segment = (code & 0x70) >> 4
    magnitude = ((((code & 0x0F) << 1) + MULAW_BIAS) << segment) - MULAW_BIAS
    return torch.where(code & 0x80 > 0, -magnitude, magnitude) << 2


def _segment(magnitude: Tensor, first_bits: int) -> Tensor:
    """Return the segment, 0 to 7: how many bits a magnitude has beyond ``first_bits``."""
    edges = torch.tensor([1 << bits for bits in range(first_bits, first_bits + 7)])
    return torch.bucketize(magnitude, edges, right=True).to(magnitude.dtype)
