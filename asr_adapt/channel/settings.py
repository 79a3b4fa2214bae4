"""What a marine VHF voice link can be like: checked settings, presets and a sampler.

Read by `vhf`; made by recipes and by training. Everything here is plain numbers, no signals.
A value outside its range raises UsageError when the settings are built, naming the field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asr_adapt.errors import UsageError


def check_range(owner: str, name: str, value: float, low: float, high: float) -> None:
    """Raise UsageError unless ``low <= value <= high``; NaN is outside every range."""
    if not low <= value <= high:
        raise UsageError(f"{owner}: {name} = {value} is not between {low:g} and {high:g}")


@dataclass(frozen=True, slots=True)
class MicNoise:
    """Noise that the microphone hears with the voice, before modulation.

    Attributes:
        snr_db: active speech to noise within the audio band, in dB.
        engine_share: share of the noise power that is engine hum; the rest is wind.
        engine_hz: firing frequency of the engine: revolutions per second times cylinders, halved
            for a four-stroke engine.
    """

    snr_db: float = 20.0
    engine_share: float = 0.5
    engine_hz: float = 45.0

    def __post_init__(self) -> None:
        check_range("microphone noise", "snr_db", self.snr_db, -20, 60)
        check_range("microphone noise", "engine_share", self.engine_share, 0, 1)
        check_range("microphone noise", "engine_hz", self.engine_hz, 5, 300)


@dataclass(frozen=True, slots=True)
class Fading:
    """Multipath with one steady and many scattered paths (Rice fading; Rayleigh as K falls).

    Attributes:
        doppler_hz: greatest Doppler shift, speed over wavelength: 10 m/s at 157 MHz is 5.2 Hz.
        k_db: power of the steady path over that of the scattered ones, in dB.
    """

    doppler_hz: float = 2.0
    k_db: float = 6.0

    def __post_init__(self) -> None:
        check_range("fading", "doppler_hz", self.doppler_hz, 0.01, 50)
        check_range("fading", "k_db", self.k_db, -30, 40)


@dataclass(frozen=True, slots=True)
class Dropouts:
    """Short losses of carrier: an aerial in the shadow of a mast, a wave, a loose plug.

    Attributes:
        per_s: mean number per second; they come as a Poisson process.
        length_s: mean length; each is drawn between half and one and a half times that.
        depth_db: by how much the carrier falls.
    """

    per_s: float = 0.2
    length_s: float = 0.06
    depth_db: float = 25.0

    def __post_init__(self) -> None:
        check_range("dropouts", "per_s", self.per_s, 0, 10)
        check_range("dropouts", "length_s", self.length_s, 0.005, 1)
        check_range("dropouts", "depth_db", self.depth_db, 0, 60)


@dataclass(frozen=True, slots=True)
class Squelch:
    """The receiver's gate, which is closed while there is no carrier.

    Attributes:
        opening_s: how long the carrier must be there before the gate opens; speech in it is lost.
        crash_s: noise at each opening, before the receiver has quieted.
        tail_s: how long the gate stays open on bare noise once the carrier is gone.
        threshold_db: carrier-to-noise ratio below which the gate counts the carrier as gone.
    """

    opening_s: float = 0.03
    crash_s: float = 0.02
    tail_s: float = 0.15
    threshold_db: float = 0.0

    def __post_init__(self) -> None:
        check_range("squelch", "opening_s", self.opening_s, 0, 1)
        check_range("squelch", "crash_s", self.crash_s, 0, 1)
        check_range("squelch", "tail_s", self.tail_s, 0, 2)
        check_range("squelch", "threshold_db", self.threshold_db, -20, 40)


@dataclass(frozen=True, slots=True)
class VhfSettings:
    """One marine VHF FM voice link, from the microphone to the loudspeaker.

    Deviation, pre-emphasis and upper audio limit default to those of the maritime mobile service:
    100 % modulation as near to +-5 kHz as practicable and never beyond, pre-emphasis of 6 dB per
    octave, audio band limited to 3000 Hz (ITU Radio Regulations, Appendix 18 and Recommendation
    ITU-R M.489-2; https://www.itu.int/rec/R-REC-M.489).

    Attributes:
        cnr_db: power of the unfaded carrier over the noise at the output of the receiver's
            intermediate-frequency filter, in dB. The threshold is near 9: measured on read speech,
            30, 20, 10, 7, 5 and 3 dB give 44, 34, 24, 17, 10 and 4 dB of speech to noise.
        deviation_hz: greatest frequency deviation.
        modulation_db: RMS deviation of active speech before the limiter, relative to
            ``deviation_hz``; speech peaks lie some 12 dB higher, so -6 is limited hard.
        agc: how far the transmitter evens out the level of speech: 0 not at all, 1 fully.
        low_hz: lower end of the audio band, -3 dB in each of transmitter and receiver.
        high_hz: upper end of the audio band, likewise.
        preemphasis_db_octave: slope in the transmitter; 6 makes it phase modulation.
        deemphasis_db_octave: slope taken away in the receiver; 0 is a tap at the discriminator.
        offset_hz: how far the transmitter is off the receiver's frequency; the limit of 10 parts
            per million is 1570 Hz at 157 MHz.
        mic_noise: noise at the microphone, or None.
        fading: multipath fading, or None.
        dropouts: short losses of carrier, or None.
        squelch: the receiver's gate; None leaves it open all the time, with the carrier on.
        interferer_db: carrier power of a second talker relative to the first, if there is one.
        interferer_offset_hz: how far the second talker is off the receiver's frequency.
    """

    cnr_db: float = 20.0
    deviation_hz: float = 5000.0
    modulation_db: float = -10.0
    agc: float = 0.3
    low_hz: float = 300.0
    high_hz: float = 3000.0
    preemphasis_db_octave: float = 6.0
    deemphasis_db_octave: float = 6.0
    offset_hz: float = 0.0
    mic_noise: MicNoise | None = None
    fading: Fading | None = None
    dropouts: Dropouts | None = None
    squelch: Squelch | None = None
    interferer_db: float = -12.0
    interferer_offset_hz: float = 400.0

    def __post_init__(self) -> None:
        for name, low, high in _VHF_RANGES:
            check_range("VHF channel", name, getattr(self, name), low, high)


_VHF_RANGES = (
    ("cnr_db", -20, 80),
    ("deviation_hz", 500, 5000),
    ("modulation_db", -40, 10),
    ("agc", 0, 1),
    ("low_hz", 50, 1000),
    ("high_hz", 2000, 4000),
    ("preemphasis_db_octave", 0, 9),
    ("deemphasis_db_octave", 0, 9),
    ("offset_hz", -3000, 3000),
    ("interferer_db", -60, 30),
    ("interferer_offset_hz", -3000, 3000),
)


def sample_vhf_settings(
    rng: np.random.Generator, cnr_db_range: tuple[float, float] = (5.0, 25.0)
) -> VhfSettings:
    """Draw a plausible link, so that no two training examples pass through the same one.

    The carrier-to-noise ratio is uniform in dB over the range. The other distributions are our
    choice of what aerials, microphones and receivers at sea differ in; no survey stands behind
    them. The squelch threshold is at least 8 dB below the mean carrier, so that only deep fades
    close the gate and a transcript keeps being true of the audio.

    Args:
        rng: source of all draws.
        cnr_db_range: lowest and highest carrier-to-noise ratio in dB.

    Raises:
        UsageError: if the range is reversed or outside what VhfSettings allows.
    """
    low, high = cnr_db_range
    if not low <= high:
        raise UsageError(f"VHF channel: CNR range {low} to {high} dB is reversed; swap the ends")
    cnr_db = float(rng.uniform(low, high))
    return VhfSettings(
        cnr_db=cnr_db,
        modulation_db=float(rng.uniform(-15, -5)),
        agc=float(rng.uniform(0, 0.8)),
        low_hz=float(rng.uniform(200, 400)),
        high_hz=float(rng.uniform(2600, 3400)),
        deemphasis_db_octave=float(rng.uniform(4, 6.5)),
        offset_hz=float(np.clip(rng.normal(0, 400), -1570, 1570)),
        mic_noise=_sample_mic_noise(rng) if rng.random() < 0.6 else None,
        fading=_sample_fading(rng) if rng.random() < 0.5 else None,
        dropouts=_sample_dropouts(rng) if rng.random() < 0.15 else None,
        squelch=_sample_squelch(rng, cnr_db) if rng.random() < 0.7 else None,
        interferer_db=float(rng.uniform(-25, -8)),
        interferer_offset_hz=float(np.clip(rng.normal(0, 400), -1570, 1570)),
    )


def _sample_mic_noise(rng: np.random.Generator) -> MicNoise:
    return MicNoise(
        snr_db=float(rng.uniform(8, 30)),
        engine_share=float(rng.uniform(0, 1)),
        engine_hz=float(rng.uniform(20, 120)),
    )


def _sample_fading(rng: np.random.Generator) -> Fading:
    # From a swell (0.1 Hz) to two fast craft (10 Hz); log-uniform, as slow is as likely as fast.
    return Fading(doppler_hz=float(10 ** rng.uniform(-1, 1)), k_db=float(rng.uniform(5, 15)))


def _sample_dropouts(rng: np.random.Generator) -> Dropouts:
    return Dropouts(
        per_s=float(rng.uniform(0.1, 0.5)),
        length_s=float(rng.uniform(0.02, 0.08)),
        depth_db=float(rng.uniform(10, 35)),
    )


def _sample_squelch(rng: np.random.Generator, cnr_db: float) -> Squelch:
    return Squelch(
        opening_s=float(rng.uniform(0, 0.05)),
        crash_s=float(rng.uniform(0, 0.03)),
        tail_s=float(rng.uniform(0, 0.3)),
        threshold_db=float(np.clip(cnr_db - rng.uniform(8, 20), -20, 5)),
    )
