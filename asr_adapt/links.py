"""Links: a channel by its name, drawn anew for each utterance, for recipes and for training.

Puts the samplers and simulations of `asr_adapt.channel` behind one function, and brings the codec
that digital voice needs: from the system, or from Debian below the cache folder. Refuses
(UsageError) names that are no channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from asr_adapt.base_weights.weight_cache import cache_root
from asr_adapt.channel import (
    Fading,
    TelephoneSettings,
    VhfSettings,
    am_airband,
    digital_voice,
    sample_am_settings,
    sample_digital_settings,
    sample_vhf_settings,
    telephone,
    vhf_fm,
)
from asr_adapt.errors import UsageError
from asr_adapt.sources.codec2 import Codec2, find_codec2

Send = Callable[[torch.Tensor, int], torch.Tensor]
"""Sends float32 speech at 16 kHz over a link, given a seed."""

NARROW_DEVIATION_HZ = 2500.0
"""Greatest deviation in channels of 12.5 kHz (TIA-603, ETSI EN 300 086)."""


@dataclass(frozen=True, slots=True)
class Link:
    """One drawn link.

    Attributes:
        tags: what is known of it, for the rows of a manifest.
        send: sends speech over it.
    """

    tags: dict[str, str]
    send: Send


def received(link: Link, sound: np.ndarray, seed: int) -> np.ndarray:
    """Return float32 speech at 16 kHz as it comes out of a link; it may be longer by a tail."""
    heard: np.ndarray = link.send(torch.from_numpy(sound), seed).numpy()
    return heard


def draw_link(channel: str, rng: np.random.Generator, cnr_db: tuple[float, float]) -> Link:
    """Draw a link of a channel.

    Args:
        channel: ``vhf`` (marine FM), ``nbfm`` (land mobile FM in 12.5 kHz), ``am`` (airband),
            ``digital`` (land mobile, codec2) or ``telephone``.
        rng: source of all draws.
        cnr_db: lowest and highest carrier-to-noise ratio in dB; a telephone line has none.

    Raises:
        UsageError: there is no such channel, or the range is none.
        EnvironmentProblem: codec2 is missing and cannot be fetched.
    """
    if channel not in _DRAWS:
        raise UsageError(f"channel '{channel}' is unknown; use one of {', '.join(_DRAWS)}")
    return _DRAWS[channel](rng, cnr_db)


def codec2() -> Codec2:
    """Return the codec2 that is installed, else Debian's in the cache, fetched at first use.

    Raises:
        EnvironmentProblem: it is missing and cannot be fetched.
    """
    return find_codec2(cache_root().absolute() / "programs")


def _vhf(rng: np.random.Generator, cnr_db: tuple[float, float]) -> Link:
    return _fm_link("vhf", sample_vhf_settings(rng, cnr_db))


def _narrow_fm(rng: np.random.Generator, cnr_db: tuple[float, float]) -> Link:
    """Draw land mobile FM: half of the marine deviation, and the fading of cars and walls."""
    settings = sample_vhf_settings(rng, cnr_db)
    fading = Fading(doppler_hz=float(10 ** rng.uniform(0, 1.6)), k_db=float(rng.uniform(3, 12)))
    mobile = replace(
        settings,
        deviation_hz=NARROW_DEVIATION_HZ,
        offset_hz=settings.offset_hz / 2,
        fading=fading if rng.random() < 0.6 else None,
    )
    return _fm_link("nbfm", mobile)


def _fm_link(channel: str, settings: VhfSettings) -> Link:
    tags = {"channel": channel, "cnr_db": f"{settings.cnr_db:.0f}"}
    return Link(tags, lambda speech, seed: vhf_fm(speech, settings, seed))


def _am(rng: np.random.Generator, cnr_db: tuple[float, float]) -> Link:
    settings = sample_am_settings(rng, cnr_db)
    tags = {"channel": "am", "cnr_db": f"{settings.cnr_db:.0f}"}
    return Link(tags, lambda speech, seed: am_airband(speech, settings, seed))


def _digital(rng: np.random.Generator, cnr_db: tuple[float, float]) -> Link:
    settings = sample_digital_settings(rng, cnr_db)
    tags = {"channel": "digital", "cnr_db": f"{settings.cnr_db:.0f}", "codec": settings.mode}
    codec = codec2()
    return Link(tags, lambda speech, seed: digital_voice(speech, settings, codec, seed))


def _telephone(rng: np.random.Generator, cnr_db: tuple[float, float]) -> Link:
    law: Literal["alaw", "mulaw"] = "alaw" if rng.random() < 0.5 else "mulaw"
    line = TelephoneSettings(law, noise_db=float(rng.uniform(-70, -40)))
    return Link({"channel": "telephone"}, lambda speech, seed: telephone(speech, line, seed))


_DRAWS: dict[str, Callable[[np.random.Generator, tuple[float, float]], Link]] = {
    "vhf": _vhf,
    "nbfm": _narrow_fm,
    "am": _am,
    "digital": _digital,
    "telephone": _telephone,
}
