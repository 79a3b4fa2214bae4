"""The telephone line against an independent G.711 and the limits of G.712."""

from __future__ import annotations

import importlib
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from asr_adapt.channel import (
    TelephoneSettings,
    telephone,
)
from asr_adapt.channel.landline import (
    compand,
    decode_alaw,
    decode_mulaw,
    encode_alaw,
    encode_mulaw,
)
from asr_adapt.channel.signals import active_rms

RATE_HZ = 16_000


def tone(freq_hz: float, duration_s: float = 1.0, rate_hz: int = RATE_HZ) -> Tensor:
    time_s = torch.arange(round(duration_s * rate_hz), dtype=torch.float64) / rate_hz
    return torch.sin(2 * math.pi * freq_hz * time_s).to(torch.float32)


def power_at(signal: Tensor, freq_hz: float) -> float:
    """Power of one spectral line, found with a Hann window."""
    time_s = torch.arange(signal.numel(), dtype=torch.float64) / RATE_HZ
    window = torch.hann_window(signal.numel(), dtype=torch.float64)
    line = (signal * window * torch.exp(-2j * math.pi * freq_hz * time_s)).sum() / window.sum()
    return float(2 * line.abs() ** 2)


def db(ratio: float) -> float:
    return 10 * math.log10(ratio)


def audioop() -> Any:
    """The standard library's G.711, written by others; it is leaving after Python 3.12."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("audioop")


def test_g711_is_bit_exact_for_all_16_bit_samples() -> None:
    pcm = torch.arange(-32768, 32768, dtype=torch.int32)
    raw = pcm.to(torch.int16).numpy().tobytes()
    other = audioop()
    for encode, decode, to_law, from_law in (
        (encode_alaw, decode_alaw, other.lin2alaw, other.alaw2lin),
        (encode_mulaw, decode_mulaw, other.lin2ulaw, other.ulaw2lin),
    ):
        octets = encode(pcm)
        assert bytes(octets.tolist()) == to_law(raw, 2)
        expected = np.frombuffer(from_law(bytes(octets.tolist()), 2), dtype=np.int16)
        assert torch.equal(decode(octets), torch.tensor(expected.astype(np.int32)))


def alaw_curve(x: Any) -> Any:
    scaled = 87.6 * np.abs(x)
    curve = np.where(scaled < 1, scaled, 1 + np.log(np.maximum(scaled, 1)))
    return curve / (1 + math.log(87.6))


def mulaw_curve(x: Any) -> Any:
    return np.log1p(255 * np.abs(x)) / math.log(256)


@pytest.mark.parametrize("law", ["alaw", "mulaw"])
def test_g711_follows_the_continuous_companding_curve(law: Any) -> None:
    """A = 87.6, mu = 255: the error is within one step of 256 on the companded scale."""
    line = torch.linspace(-0.98, 0.98, 9999)
    curve = alaw_curve if law == "alaw" else mulaw_curve
    before, after = (curve(x.double().numpy()) for x in (line, compand(line, law)))
    assert np.abs(before - after).max() < 1.2 / 128


@pytest.mark.parametrize("law", ["alaw", "mulaw"])
def test_quantisation_noise_of_a_tone_meets_g712(law: Any) -> None:
    """ITU-T G.712 asks for 33 dB or more of signal to total distortion from -30 to 0 dBm0."""
    for level_db in (-30.0, -20.0, -10.0):
        line = tone(1020, 1.0, 8000) * 10 ** (level_db / 20)
        error = compand(line, law) - line
        assert db(float(line.square().mean() / error.square().mean())) > 33


def test_telephone_band_level_and_noise() -> None:
    speech = torch.stack([tone(f, 2.0) for f in (100.0, 1000.0, 5000.0)]).sum(0) * 0.1
    line = telephone(speech, TelephoneSettings(level_db=-26), 0)
    assert 20 * math.log10(active_rms(line)) == pytest.approx(-26, abs=0.3)
    assert db(power_at(line, 100.0) / power_at(line, 1000.0)) < -40
    assert db(power_at(line, 5000.0) / power_at(line, 1000.0)) < -60
    noisy = telephone(torch.zeros(RATE_HZ), TelephoneSettings(noise_db=-40), 0)
    assert db(float(noisy.square().mean())) == pytest.approx(-40, abs=1)
    assert torch.equal(noisy, telephone(torch.zeros(RATE_HZ), TelephoneSettings(noise_db=-40), 0))
