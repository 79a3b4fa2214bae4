"""Radio and telephone channels at the level of signals: clean speech in, received speech out.

Used by the recipes, to make test sets, and by training, as augmentation on the fly. Input and
output are 1-D float32 tensors at 16 kHz on the CPU; nothing is read or written. The same seed
gives the same samples, whatever the state of the global random generators. Refuses settings
outside their documented range (UsageError) and signals that are not finite (DataError).
"""

from __future__ import annotations

from asr_adapt.channel.am import AmSettings, SecondCarrier, am_airband, sample_am_settings
from asr_adapt.channel.digital import DigitalSettings, digital_voice, sample_digital_settings
from asr_adapt.channel.landline import TelephoneSettings, telephone
from asr_adapt.channel.settings import (
    Dropouts,
    Fading,
    MicNoise,
    Squelch,
    VhfSettings,
    sample_vhf_settings,
)
from asr_adapt.channel.vhf import vhf_fm

__all__ = [
    "AmSettings",
    "DigitalSettings",
    "Dropouts",
    "Fading",
    "MicNoise",
    "SecondCarrier",
    "Squelch",
    "TelephoneSettings",
    "VhfSettings",
    "am_airband",
    "digital_voice",
    "sample_am_settings",
    "sample_digital_settings",
    "sample_vhf_settings",
    "telephone",
    "vhf_fm",
]
