"""A marine VHF FM voice link: microphone, transmitter, radio path, receiver, loudspeaker.

Takes clean speech and `VhfSettings` and returns what a recorder at the receiver would hold. Used
by the recipes and, on the fly, by training; reads and writes nothing. `fm` has the physics of the
carrier. Refuses (DataError) signals that are not 1-D float32, finite and on the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from asr_adapt.channel.fm import (
    FRAME_S,
    IF_FRAME,
    IF_RATE_HZ,
    discriminate,
    modulate,
    path_gain,
    stretch_gain,
    through_if,
)
from asr_adapt.channel.microphone import SILENCE_RMS, pick_up
from asr_adapt.channel.settings import Squelch, VhfSettings
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

UP = IF_RATE_HZ // AUDIO_RATE_HZ

EMPHASIS_HZ = 1_000.0
"""Where pre- and de-emphasis have a gain of 1; the usual test tone of such radios."""

LOUDSPEAKER_GAIN = 0.25
"""Amplitude of a fully modulated tone of 1 kHz in the output; at 300 Hz it would be 0.83."""


def vhf_fm(
    speech: Tensor,
    settings: VhfSettings,
    seed: int | torch.Generator,
    interferer: Tensor | None = None,
) -> Tensor:
    """Send speech over a marine VHF FM link.

    The carrier comes up with the first sample and goes with the last one. Without a squelch the
    output is as long as the input; with one it is longer by ``settings.squelch.tail_s``, in which
    the gate closes on the noise of the empty channel. Speech is not delayed.

    Args:
        speech: float32 mono at 16 kHz, shape (samples,); its level does not matter.
        settings: the link.
        seed: of all that is random; the same one gives the same samples.
        interferer: a second talker on the same channel, in the same form, whose transmitter and
            microphone are like the first one's. Its carrier is on for its own length; a shorter
            one starts at a random time, a longer one is cut.

    Returns:
        Float32 mono at 16 kHz within [-1, 1], shape (samples + tail,).

    Raises:
        DataError: if a signal is not 1-D float32, finite and on the CPU.
    """
    check_speech(speech)
    generator = as_generator(seed)
    tail = round(settings.squelch.tail_s * AUDIO_RATE_HZ) if settings.squelch else 0
    length = speech.numel() + tail
    samples = fast_length(length + int(GUARD_S * AUDIO_RATE_HZ))
    carrier = modulate(transmit(speech, settings, samples, generator) + settings.offset_hz)
    frames = samples * UP // IF_FRAME + 1
    gain = path_gain(settings.fading, settings.dropouts, frames, generator)
    keyed = speech.numel() * UP if settings.squelch else samples * UP
    gate = None
    if settings.squelch:
        gate, quieting = squelch_gate(gain, settings, settings.squelch, keyed / IF_RATE_HZ)
        gain = gain * quieting
    carrier = carrier * stretch_gain(gain, samples * UP)
    carrier[keyed:] = 0
    if interferer is not None:
        check_speech(interferer)
        _add_interferer(carrier, interferer, speech.numel(), settings, generator)
    heard_hz = discriminate(through_if(carrier, settings.cnr_db, generator))
    if gate is not None:
        heard_hz = heard_hz * stretch(gate, samples * UP)
    return loudspeaker(heard_hz, settings)[:length]


def transmit(
    speech: Tensor, settings: VhfSettings, samples: int, generator: torch.Generator
) -> Tensor:
    """Return the frequency deviation in Hz at 48 kHz: band, noise, level, emphasis, limiter.

    Args:
        speech: float32 at 16 kHz.
        settings: the link.
        samples: length at 16 kHz to pad to.
        generator: source of the microphone noise.

    Returns:
        Deviation, shape (3 * samples,), nowhere beyond ``settings.deviation_hz``.
    """
    freq_hz = frequencies_hz(samples, AUDIO_RATE_HZ)
    band = band_pass(freq_hz, settings.low_hz, settings.high_hz, 4)
    voice = pick_up(speech, freq_hz, band, settings.mic_noise, settings.agc, generator)
    spectrum = torch.fft.rfft(voice) * emphasis(freq_hz, settings.preemphasis_db_octave)
    emphasised = resample_spectrum(spectrum, samples, UP * samples)
    level = max(active_rms(emphasised[: speech.numel() * UP : UP]), SILENCE_RMS)
    driven = torch.tanh(emphasised * (10 ** (settings.modulation_db / 20) / level))
    # The limiter makes harmonics; the filter behind it keeps them out of the next channel.
    spectrum = torch.fft.rfft(driven)[: freq_hz.numel()] * low_pass(freq_hz, settings.high_hz, 8)
    modulation: Tensor = torch.fft.irfft(spectrum, n=UP * samples)
    return modulation.clamp_(-1, 1) * settings.deviation_hz


def emphasis(freq_hz: Tensor, db_octave: float) -> Tensor:
    """Return the gain of a slope through 1 at 1 kHz, held below 100 Hz.

    With 6 dB per octave, frequency modulation becomes the phase modulation of class G3E.
    """
    return (freq_hz.clamp(min=100.0) / EMPHASIS_HZ).pow(db_octave / 6.0206)


def squelch_gate(
    gain: Tensor, settings: VhfSettings, squelch: Squelch, keyed_s: float
) -> tuple[Tensor, Tensor]:
    """Return the gate (0 or 1) and the quieting of the carrier, one value per 5 ms.

    The gate knows the carrier-to-noise ratio, which a real one reads off the noise above the
    audio band. It opens once the carrier has been there for ``opening_s`` and closes once it has
    been gone for ``tail_s``; after each opening the carrier is held down for ``crash_s``.
    """
    on_air = torch.arange(gain.numel()) * FRAME_S < keyed_s
    present = on_air & (
        gain.abs().square() >= 10 ** ((squelch.threshold_db - settings.cnr_db) / 10)
    )
    absent = (~present).to(torch.float32)
    settled = 1 - _highest_lately(absent, squelch.opening_s, before=1.0)
    gate = _highest_lately(settled, squelch.tail_s, before=0.0)
    opening = torch.diff(gate, prepend=torch.zeros(1)).clamp(min=0)
    crash_frames = round(squelch.crash_s / FRAME_S)
    if crash_frames == 0:
        return gate, torch.ones_like(gate)
    return gate, 1 - _highest_lately(opening, (crash_frames - 1) * FRAME_S, before=0.0)


def _highest_lately(curve: Tensor, within_s: float, before: float) -> Tensor:
    """Return for each frame the greatest value in it and in the ``within_s`` before it."""
    reach = round(within_s / FRAME_S)
    padded = F.pad(curve.view(1, 1, -1), (reach, 0), value=before)
    return F.max_pool1d(padded, reach + 1, stride=1).view(-1)


def _add_interferer(
    carrier: Tensor, talker: Tensor, length: int, settings: VhfSettings, generator: torch.Generator
) -> None:
    talker = talker[:length]
    room = length - talker.numel() + 1
    start = int(torch.randint(room, (1,), generator=generator)) * UP
    deviation_hz = transmit(talker, settings, fast_length(talker.numel() + 480), generator)
    second = modulate(deviation_hz[: talker.numel() * UP] + settings.interferer_offset_hz)
    carrier[start : start + second.numel()] += second * 10 ** (settings.interferer_db / 20)


def loudspeaker(heard_hz: Tensor, settings: VhfSettings) -> Tensor:
    """Return the audio at 16 kHz that the receiver makes of the discriminator's output in Hz."""
    samples = heard_hz.numel() // UP
    freq_hz = frequencies_hz(samples, AUDIO_RATE_HZ)
    response = band_pass(freq_hz, settings.low_hz, settings.high_hz, 4)
    response = response / emphasis(freq_hz, settings.deemphasis_db_octave)
    spectrum = torch.fft.rfft(heard_hz)[: freq_hz.numel()] * response
    audio = resample_spectrum(spectrum, UP * samples, samples)
    return (audio * (LOUDSPEAKER_GAIN / settings.deviation_hz)).clamp_(-1, 1)
