"""An airband voice link: double-sideband amplitude modulation, envelope detector, level control.

Takes clean speech and `AmSettings` and returns what a recorder at the receiver would hold; reads
and writes nothing. Signals between transmitter and detector are complex baseband at 48 kHz with the
wanted carrier at 0 Hz and an amplitude of 1 (see `fm`). Refuses (DataError) signals that are not
1-D float32, finite and on the CPU, and (UsageError) settings outside their range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asr_adapt.channel.fm import (
    FRAME_S,
    IF_FRAME,
    IF_RATE_HZ,
    path_gain,
    stretch_gain,
    through_if,
)
from asr_adapt.channel.microphone import SILENCE_RMS, pick_up
from asr_adapt.channel.settings import Dropouts, Fading, MicNoise, check_range
from asr_adapt.channel.signals import (
    AUDIO_RATE_HZ,
    GUARD_S,
    active_rms,
    as_generator,
    band_pass,
    check_speech,
    fast_length,
    frequencies_hz,
    low_pass,
    resample_spectrum,
    stretch,
)
from asr_adapt.errors import UsageError

UP = IF_RATE_HZ // AUDIO_RATE_HZ

LOUDSPEAKER_GAIN = 0.6
"""Amplitude in the output of a tone that modulates the carrier fully, with the level settled."""

WEAKEST_CARRIER = 0.01
"""The level control gives at most 40 dB more gain than for the unfaded carrier."""


@dataclass(frozen=True, slots=True)
class SecondCarrier:
    """Somebody else who keys at the same time: the two carriers beat, which whistles.

    Attributes:
        level_db: its power relative to the wanted carrier.
        offset_hz: distance of the two carriers, the pitch of the whistle. Airborne transmitters
            hold 5 parts per million with 8.33 kHz spacing, 640 Hz at 128 MHz, and 30 with 25 kHz
            (ICAO Annex 10, volume III, part II, 2.3.1).
        start_share: when it comes, as a share of the clip.
        end_share: when it goes.
    """

    level_db: float = -12.0
    offset_hz: float = 500.0
    start_share: float = 0.3
    end_share: float = 0.6

    def __post_init__(self) -> None:
        check_range("second carrier", "level_db", self.level_db, -60, 20)
        check_range("second carrier", "offset_hz", self.offset_hz, -4000, 4000)
        check_range("second carrier", "start_share", self.start_share, 0, 1)
        check_range("second carrier", "end_share", self.end_share, self.start_share, 1)


@dataclass(frozen=True, slots=True)
class AmSettings:
    """One airband voice link, from the microphone to the loudspeaker.

    Attributes:
        cnr_db: power of the unmodulated, unfaded carrier over the noise behind the receiver's
            intermediate-frequency filter, in dB. AM has no threshold like FM: the speech is some
            5 to 10 dB above the noise less than the carrier is, all the way down to about 5.
        depth: greatest modulation; ICAO Annex 10, volume III asks that 0.85 can be reached.
        modulation_db: RMS of active speech before the limiter, relative to full modulation;
            speech peaks lie some 12 dB higher, so -6 is clipped hard.
        agc: how far the transmitter evens out the level of speech: 0 not at all, 1 fully.
        low_hz: lower end of the audio band, -3 dB in each of transmitter and receiver.
        high_hz: upper end: 2500 with channels of 8.33 kHz, 3400 with those of 25 kHz
            (EUROCAE ED-23C; ICAO Annex 10, volume III).
        if_half_band_hz: half the width of the receiver's intermediate-frequency filter.
        agc_s: time constant of the receiver's level control.
        mic_noise: noise at the microphone (engine, airflow), or None.
        fading: multipath fading of the carrier, or None.
        dropouts: short losses of carrier, or None.
        second: another transmitter on the channel, or None.
    """

    cnr_db: float = 25.0
    depth: float = 0.85
    modulation_db: float = -12.0
    agc: float = 0.5
    low_hz: float = 300.0
    high_hz: float = 2500.0
    if_half_band_hz: float = 3500.0
    agc_s: float = 0.2
    mic_noise: MicNoise | None = None
    fading: Fading | None = None
    dropouts: Dropouts | None = None
    second: SecondCarrier | None = None

    def __post_init__(self) -> None:
        for name, low, high in _AM_RANGES:
            check_range("AM channel", name, getattr(self, name), low, high)


_AM_RANGES = (
    ("cnr_db", -20, 80),
    ("depth", 0.1, 1),
    ("modulation_db", -40, 10),
    ("agc", 0, 1),
    ("low_hz", 50, 1000),
    ("high_hz", 2000, 4000),
    ("if_half_band_hz", 2500, 8000),
    ("agc_s", 0.02, 2),
)


def am_airband(
    speech: Tensor,
    settings: AmSettings,
    seed: int | torch.Generator,
    second_speech: Tensor | None = None,
) -> Tensor:
    """Send speech over an airband link.

    The carrier is on throughout; speech is not delayed, and the output is as long as the input.

    Args:
        speech: float32 mono at 16 kHz, shape (samples,); its level does not matter.
        settings: the link.
        seed: of all that is random; the same one gives the same samples.
        second_speech: what the second transmitter says, in the same form; it is bare without.

    Returns:
        Float32 mono at 16 kHz within [-1, 1], shape (samples,).

    Raises:
        DataError: a signal is not 1-D float32, finite and on the CPU.
    """
    check_speech(speech)
    generator = as_generator(seed)
    samples = fast_length(speech.numel() + int(GUARD_S * AUDIO_RATE_HZ))
    frames = samples * UP // IF_FRAME + 1
    gain = path_gain(settings.fading, settings.dropouts, frames, generator)
    modulated = 1 + transmit(speech, settings, samples, generator)
    carrier = modulated * stretch_gain(gain, samples * UP)
    if settings.second is not None:
        talk = torch.zeros(samples * UP)
        if second_speech is not None:
            check_speech(second_speech)
            said = second_speech[: speech.numel()]
            talk = transmit(said, settings, samples, generator)
        carrier = carrier + second_carrier(settings.second, talk, speech.numel() * UP)
    received = through_if(carrier, settings.cnr_db, generator, settings.if_half_band_hz)
    return loudspeaker(level_control(received.abs(), settings.agc_s), settings)[: speech.numel()]


def transmit(
    speech: Tensor, settings: AmSettings, samples: int, generator: torch.Generator
) -> Tensor:
    """Return the modulation at 48 kHz, shape (3 * samples,), within plus and minus the depth."""
    freq_hz = frequencies_hz(samples, AUDIO_RATE_HZ)
    band = band_pass(freq_hz, settings.low_hz, settings.high_hz, 4)
    voice = pick_up(speech, freq_hz, band, settings.mic_noise, settings.agc, generator)
    level = max(active_rms(voice[: speech.numel()]), SILENCE_RMS)
    driven = torch.tanh(voice * (10 ** (settings.modulation_db / 20) / level))
    # Clipping makes harmonics; the filter behind it keeps them out of the next channel.
    spectrum = torch.fft.rfft(driven) * low_pass(freq_hz, settings.high_hz, 8)
    return resample_spectrum(spectrum, samples, UP * samples).clamp_(-1, 1) * settings.depth


def second_carrier(second: SecondCarrier, modulation: Tensor, length: int) -> Tensor:
    """Return the other transmitter's signal, complex, silent before its start and after its end.

    Args:
        second: how strong, how far off, and when.
        modulation: what it says, shape (samples,) at 48 kHz.
        length: samples of the clip proper, which the shares refer to.
    """
    start, end = round(second.start_share * length), round(second.end_share * length)
    cycles = torch.arange(modulation.numel(), dtype=torch.float64) * second.offset_hz / IF_RATE_HZ
    phase = (2 * math.pi * (cycles - cycles.round())).to(torch.float32)
    other = torch.complex(torch.cos(phase), torch.sin(phase)) * (1 + modulation)
    other[:start] = 0
    other[end:] = 0
    return other * 10 ** (second.level_db / 20)


def level_control(envelope: Tensor, agc_s: float) -> Tensor:
    """Divide the detected envelope by its own recent mean, so that weak carriers sound alike.

    The mean is exponentially weighted over the past, with time constant ``agc_s``; before the
    first sample the envelope is taken to have been what it is in the first 5 ms.
    """
    frames = envelope.numel() // IF_FRAME
    level = envelope[: frames * IF_FRAME].view(frames, IF_FRAME).mean(1)
    taps = math.ceil(7 * agc_s / FRAME_S)
    weights = torch.exp(-torch.arange(taps) * (FRAME_S / agc_s)).flip(0)
    past = F.pad(level.view(1, 1, -1), (taps - 1, 0), value=float(level[0]))
    mean = F.conv1d(past, (weights / weights.sum()).view(1, 1, -1)).view(-1)
    return envelope / stretch(mean.clamp(min=WEAKEST_CARRIER), envelope.numel())


def loudspeaker(envelope: Tensor, settings: AmSettings) -> Tensor:
    """Return the audio at 16 kHz of a level-controlled envelope at 48 kHz; its mean is removed."""
    samples = envelope.numel() // UP
    freq_hz = frequencies_hz(samples, AUDIO_RATE_HZ)
    band = band_pass(freq_hz, settings.low_hz, settings.high_hz, 4)
    spectrum = torch.fft.rfft(envelope)[: freq_hz.numel()] * band
    audio = resample_spectrum(spectrum, UP * samples, samples)
    return (audio * LOUDSPEAKER_GAIN).clamp_(-1, 1)


def sample_am_settings(
    rng: np.random.Generator, cnr_db_range: tuple[float, float] = (8.0, 30.0)
) -> AmSettings:
    """Draw a plausible link: an aircraft or a tower, near or far, of either channel spacing.

    The carrier-to-noise ratio is uniform in dB over the range; the other distributions are our
    choice, no survey stands behind them.

    Args:
        rng: source of all draws.
        cnr_db_range: lowest and highest carrier-to-noise ratio in dB.

    Raises:
        UsageError: the range is reversed or outside what AmSettings allows.
    """
    low, high = cnr_db_range
    if not low <= high:
        raise UsageError(f"AM channel: CNR range {low} to {high} dB is reversed; swap the ends")
    narrow = rng.random() < 0.6  # 8.33 kHz spacing, usual in Europe
    return AmSettings(
        cnr_db=float(rng.uniform(low, high)),
        depth=float(rng.uniform(0.6, 1.0)),
        modulation_db=float(rng.uniform(-16, -8)),
        agc=float(rng.uniform(0.2, 0.9)),
        low_hz=float(rng.uniform(250, 400)),
        high_hz=float(rng.uniform(2400, 2800) if narrow else rng.uniform(3000, 3600)),
        if_half_band_hz=float(rng.uniform(3000, 4000) if narrow else rng.uniform(6000, 8000)),
        agc_s=float(10 ** rng.uniform(-1.3, -0.3)),
        mic_noise=_sample_cockpit(rng) if rng.random() < 0.5 else None,
        # An aircraft at 70 to 250 m/s and 128 MHz has a Doppler shift of 30 to 107 Hz, but the
        # direct path is strong and the reflections arrive from nearly the same direction.
        fading=_sample_fading(rng) if rng.random() < 0.5 else None,
        second=_sample_second(rng, narrow) if rng.random() < 0.12 else None,
    )


def _sample_cockpit(rng: np.random.Generator) -> MicNoise:
    return MicNoise(
        snr_db=float(rng.uniform(10, 30)),
        engine_share=float(rng.uniform(0, 0.7)),
        engine_hz=float(rng.uniform(60, 250)),
    )


def _sample_fading(rng: np.random.Generator) -> Fading:
    return Fading(doppler_hz=float(10 ** rng.uniform(-0.5, 1.3)), k_db=float(rng.uniform(5, 18)))


def _sample_second(rng: np.random.Generator, narrow: bool) -> SecondCarrier:
    start, length = rng.uniform(0, 0.8), rng.uniform(0.1, 0.4)
    farthest_hz = 1300.0 if narrow else 2500.0
    return SecondCarrier(
        level_db=float(rng.uniform(-30, -10)),
        offset_hz=float(rng.uniform(200, farthest_hz)),
        start_share=float(start),
        end_share=float(min(1.0, start + length)),
    )
