"""The VHF voice link from end to end, and what callers of the channels rely on."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from asr_adapt.channel import (
    Dropouts,
    Fading,
    MicNoise,
    Squelch,
    TelephoneSettings,
    VhfSettings,
    fm,
    microphone,
    sample_vhf_settings,
    telephone,
    vhf,
    vhf_fm,
)
from asr_adapt.channel.signals import active_rms, as_generator, frequencies_hz, stretch
from asr_adapt.errors import UsageError

RATE_HZ = 16_000


QUIET = 80.0


def tone(freq_hz: float, duration_s: float = 1.0, rate_hz: int = RATE_HZ) -> Tensor:
    time_s = torch.arange(round(duration_s * rate_hz), dtype=torch.float64) / rate_hz
    return torch.sin(2 * math.pi * freq_hz * time_s).to(torch.float32)


def babble(duration_s: float, seed: int) -> Tensor:
    """Noise in the voice band with syllables at 4 Hz and pauses: speech as far as levels go."""
    noise = torch.randn(round(duration_s * RATE_HZ), generator=as_generator(seed))
    spectrum = torch.fft.rfft(noise)
    freq_hz = torch.linspace(0, RATE_HZ / 2, spectrum.numel())
    spectrum *= (freq_hz > 150) * (500 / (freq_hz + 500))
    syllables = torch.rand(2 + round(duration_s * 8), generator=as_generator(seed + 1)) ** 2
    envelope = stretch(syllables, noise.numel())
    voice: Tensor = torch.fft.irfft(spectrum, n=noise.numel()) * envelope * 0.2
    return voice


def power_at(signal: Tensor, freq_hz: float) -> float:
    """Power of one spectral line, found with a Hann window."""
    time_s = torch.arange(signal.numel(), dtype=torch.float64) / RATE_HZ
    window = torch.hann_window(signal.numel(), dtype=torch.float64)
    line = (signal * window * torch.exp(-2j * math.pi * freq_hz * time_s)).sum() / window.sum()
    return float(2 * line.abs() ** 2)


def db(ratio: float) -> float:
    return 10 * math.log10(ratio)


def test_preemphasis_and_deemphasis_cancel() -> None:
    settings = VhfSettings(
        cnr_db=QUIET, modulation_db=-30, agc=0, low_hz=100, high_hz=4000, offset_hz=300
    )
    lines = [400.0, 700.0, 1000.0, 1500.0, 2000.0, 2500.0]
    speech = torch.stack([tone(f, 2.0) for f in lines]).sum(0) * 0.1
    heard = vhf_fm(speech, settings, 0)
    gains = [db(power_at(heard, f) / power_at(speech, f)) for f in lines]
    assert max(gains) - min(gains) < 0.5


def test_without_deemphasis_the_response_rises_by_6_db_per_octave() -> None:
    settings = VhfSettings(
        cnr_db=QUIET, modulation_db=-30, agc=0, low_hz=50, deemphasis_db_octave=0
    )
    speech = (tone(600, 2.0) + tone(1200, 2.0)) * 0.1
    heard = vhf_fm(speech, settings, 0)
    assert db(power_at(heard, 1200) / power_at(heard, 600)) == pytest.approx(6.02, abs=0.3)


def test_audio_band_is_300_to_3000_hz() -> None:
    settings = VhfSettings(cnr_db=QUIET, modulation_db=-20, agc=0)
    lines = (100.0, 1000.0, 5000.0)
    speech = torch.stack([tone(f, 2.0) for f in lines]).sum(0) * 0.1
    low, mid, high = (power_at(vhf_fm(speech, settings, 0), f) for f in lines)
    assert db(low / mid) < -40
    assert db(high / mid) < -40


@pytest.mark.parametrize("modulation_db", [-20.0, 10.0])
def test_deviation_never_exceeds_its_limit(modulation_db: float) -> None:
    settings = VhfSettings(modulation_db=modulation_db, deviation_hz=5000)
    deviation_hz = vhf.transmit(babble(2, 0), settings, 40_000, as_generator(0))
    assert float(deviation_hz.abs().max()) <= 5000
    spectrum = torch.fft.rfft(deviation_hz).abs().square()
    # The limiter's harmonics are held back: a hard-driven square wave has 11 % beyond 6 kHz.
    far = frequencies_hz(deviation_hz.numel(), fm.IF_RATE_HZ) > 6000
    assert float(spectrum[far].sum() / spectrum.sum()) < 0.003


def test_input_level_does_not_matter() -> None:
    speech = babble(1, 0)
    settings = VhfSettings(cnr_db=25.0, squelch=Squelch())
    loud, soft = vhf_fm(speech * 2, settings, 0), vhf_fm(speech * 0.02, settings, 0)
    assert torch.allclose(loud, soft, atol=1e-3)


def test_level_control_brings_soft_and_loud_together() -> None:
    voice = torch.cat([tone(800, 1.0) * 0.02, tone(800, 1.0) * 0.2])
    gap = {}
    for strength in (0.0, 0.5, 1.0):
        even = microphone.even_level(voice, 0.1, strength)
        gap[strength] = db(active_rms(even[18_000:]) ** 2 / active_rms(even[:14_000]) ** 2)
    assert gap[0.0] == pytest.approx(20, abs=0.1)
    assert gap[0.5] == pytest.approx(10, abs=0.5)
    assert gap[1.0] == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_microphone_noise_has_the_power_it_is_asked_for(share: float) -> None:
    freq_hz = frequencies_hz(160_000, RATE_HZ)
    band = ((freq_hz > 300) & (freq_hz < 3000)).float()
    noise = microphone.microphone_noise(
        MicNoise(engine_share=share, engine_hz=50), freq_hz, band, 160_000, as_generator(0)
    )
    assert db(float(noise.square().mean())) == pytest.approx(0, abs=1.5)
    on_harmonic = power_at(noise, 400) + power_at(noise, 450)
    between = power_at(noise, 425) + power_at(noise, 475)
    assert share == 0 or on_harmonic > 5 * between


def test_speech_stays_intelligible_on_a_good_link() -> None:
    """Band envelopes carry intelligibility; they must follow those of the clean signal."""
    speech = babble(4, 5)
    good, poor = (
        envelope_correlation(speech, vhf_fm(speech, VhfSettings(cnr_db=c), 0)) for c in (25.0, 0.0)
    )
    assert good > 0.9
    assert poor < good - 0.2


def envelope_correlation(clean: Tensor, heard: Tensor) -> float:
    window = torch.hann_window(512)
    spectra = [
        torch.stft(x, 512, 256, window=window, return_complex=True).abs() for x in (clean, heard)
    ]
    edges = [12, 20, 32, 50, 80]
    pairs = [
        [spectrum[a:b].square().sum(0).sqrt() for spectrum in spectra] for a, b in pairwise(edges)
    ]
    return float(np.mean([float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs]))


@pytest.mark.parametrize(("interferer_db", "winner"), [(-9.0, 700.0), (9.0, 1700.0)])
def test_the_stronger_carrier_captures_the_receiver(interferer_db: float, winner: float) -> None:
    settings = VhfSettings(
        cnr_db=40, modulation_db=-10, agc=0, interferer_db=interferer_db, interferer_offset_hz=100
    )
    heard = vhf_fm(tone(700, 2.0) * 0.1, settings, 0, interferer=tone(1700, 2.0) * 0.1)
    loser = 2400.0 - winner
    # Without capture the difference would be that of the carriers, 9 dB.
    assert db(power_at(heard, winner) / power_at(heard, loser)) > 15


def test_a_short_interferer_is_heard_for_its_own_length_only() -> None:
    settings = VhfSettings(cnr_db=QUIET, interferer_db=20, agc=0)
    silence = torch.zeros(4 * RATE_HZ)
    heard = vhf_fm(silence, settings, 3, interferer=tone(1000, 1.0) * 0.1)
    loud = heard.view(-1, 160).square().mean(1).sqrt() > 0.02
    assert 95 <= int(loud.sum()) <= 110


def test_a_dropout_is_heard_as_noise() -> None:
    drops = Dropouts(per_s=1, length_s=0.2, depth_db=50)
    silence = torch.zeros(10 * RATE_HZ)
    steady, broken = (
        vhf_fm(silence, VhfSettings(cnr_db=25, dropouts=each), 0) for each in (None, drops)
    )
    assert float(broken.abs().max()) > 10 * float(steady.abs().max())


def test_squelch_mutes_a_carrier_below_its_threshold() -> None:
    settings = VhfSettings(cnr_db=0, squelch=Squelch(threshold_db=6))
    assert float(vhf_fm(babble(1, 0), settings, 0).abs().max()) < 1e-6


def test_squelch_opens_late_crashes_and_ends_in_a_tail() -> None:
    squelch = Squelch(opening_s=0.2, crash_s=0.1, tail_s=0.3)
    settings = VhfSettings(cnr_db=30, squelch=squelch)
    heard = vhf_fm(torch.zeros(2 * RATE_HZ), settings, 0)
    assert heard.numel() == 2 * RATE_HZ + 4800
    level = heard.view(-1, 160).square().mean(1).sqrt()  # per 10 ms
    closed, crash, carrier = level[:15], level[22:28], level[40:190]
    tail = level[203:225]
    assert float(closed.max()) < 1e-3
    assert float(crash.mean()) > 10 * float(carrier.mean())
    assert float(tail.mean()) > 10 * float(carrier.mean())


def test_squelch_rides_over_fades_shorter_than_its_tail() -> None:
    gain = torch.ones(400, dtype=torch.complex64)
    gain[100:110] = 0.01  # 50 ms
    gain[200:300] = 0.01  # 500 ms
    squelch = Squelch(opening_s=0, crash_s=0, tail_s=0.1)
    gate, quieting = vhf.squelch_gate(gain, VhfSettings(cnr_db=10), squelch, 2.0)
    assert bool((gate[:220] == 1).all())
    assert bool((gate[221:300] == 0).all())
    assert bool((gate[300:] == 1).all())
    assert bool((quieting == 1).all())


def test_same_seed_same_bytes_whatever_the_global_generator_does() -> None:
    settings = VhfSettings(
        cnr_db=6.0,
        mic_noise=MicNoise(snr_db=16.0),
        fading=Fading(doppler_hz=2.0, k_db=12.0),
        dropouts=Dropouts(),
        squelch=Squelch(threshold_db=-6.0),
    )
    speech = babble(1, 0)
    torch.manual_seed(1)
    first = vhf_fm(speech, settings, 7, interferer=babble(0.5, 3))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = vhf_fm(speech, settings, torch.Generator().manual_seed(7), interferer=babble(0.5, 3))
    assert first.numpy().tobytes() == again.numpy().tobytes()
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, vhf_fm(speech, settings, 8, interferer=babble(0.5, 3)))


@pytest.mark.parametrize("seed", range(12))
def test_any_sampled_link_gives_finite_bounded_audio_of_the_promised_length(seed: int) -> None:
    settings = sample_vhf_settings(np.random.default_rng(seed), (-5.0, 30.0))
    speech = babble(0.7 + 0.013 * seed, seed)
    heard = vhf_fm(speech, settings, seed, interferer=babble(0.4, 99) if seed % 2 else None)
    tail = round(settings.squelch.tail_s * RATE_HZ) if settings.squelch else 0
    assert heard.numel() == speech.numel() + tail
    assert heard.dtype == torch.float32
    assert bool(torch.isfinite(heard).all())
    assert float(heard.abs().max()) <= 1


@pytest.mark.parametrize("samples", [1, 17, 321, 16_001])
def test_odd_and_tiny_lengths_are_kept(samples: int) -> None:
    speech = torch.full((samples,), 0.1)
    assert vhf_fm(speech, VhfSettings(fading=Fading(), mic_noise=MicNoise()), 0).numel() == samples
    assert telephone(speech, TelephoneSettings(), 0).numel() == samples


def test_speech_is_not_delayed() -> None:
    speech = babble(2, 0)
    heard = vhf_fm(speech, VhfSettings(cnr_db=QUIET), 0)
    both = torch.fft.rfft(speech) * torch.fft.rfft(heard).conj()
    assert int(torch.fft.irfft(both).argmax()) == 0


def test_silence_in_is_not_turned_up() -> None:
    assert float(vhf_fm(torch.zeros(RATE_HZ), VhfSettings(cnr_db=QUIET), 0).abs().max()) < 1e-3


def test_sampler_repeats_with_its_seed_varies_and_keeps_the_range() -> None:
    first, second = (
        [sample_vhf_settings(rng, (8.0, 12.0)) for _ in range(50)]
        for rng in (np.random.default_rng(4), np.random.default_rng(4))
    )
    assert first == second
    assert len({s.cnr_db for s in first}) == 50
    assert all(8 <= s.cnr_db <= 12 for s in first)
    for part in ("mic_noise", "fading", "dropouts", "squelch"):
        assert {getattr(s, part) is None for s in first} == {True, False}
    assert all(s.squelch.threshold_db <= s.cnr_db - 8 for s in first if s.squelch)


def test_every_setting_refuses_nonsense_by_name() -> None:
    parts: tuple[Any, ...] = (VhfSettings, MicNoise, Fading, Dropouts, Squelch)
    optional = {"mic_noise", "fading", "dropouts", "squelch"}
    for part in parts:
        for name in {f.name for f in fields(part)} - optional:
            for nonsense in (math.nan, 1e9, -1e9):
                wrong: dict[str, Any] = {name: nonsense}
                with pytest.raises(UsageError, match=name):
                    part(**wrong)
    with pytest.raises(UsageError, match="reversed"):
        sample_vhf_settings(np.random.default_rng(0), (10.0, 5.0))
    with pytest.raises(UsageError, match="ulaw"):
        TelephoneSettings(law="ulaw")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="noise_db"):
        TelephoneSettings(noise_db=3)
