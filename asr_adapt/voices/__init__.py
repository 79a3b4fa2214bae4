"""Voices that speak without a network, for the recipes that generate speech.

A voice (`VOICES`) says a text (`say`, `say_files`) through one of four engines: hibari, Kokoro
and Piper as PyPI packages (extra ``voices``), flite as a program from Debian. Imported by recipes
only; whoever brings recordings of their own needs none of it.
"""

from __future__ import annotations

from asr_adapt.voices.catalog import VOICES, Voice, find_voice
from asr_adapt.voices.speech import (
    SpeechRequest,
    fetch_voices,
    say,
    say_files,
    trim_silence,
)

__all__ = [
    "VOICES",
    "SpeechRequest",
    "Voice",
    "fetch_voices",
    "find_voice",
    "say",
    "say_files",
    "trim_silence",
]
