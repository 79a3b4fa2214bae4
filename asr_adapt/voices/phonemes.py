"""English text to phonemes, in the two alphabets that the neural voices were trained on.

hibari's own phonemizer (a port of misaki) writes the alphabet of Kokoro; Piper's voices read the
IPA of espeak-ng. Reads the lexicon inside the package hibari-tts.
"""

# ruff: noqa: RUF001  phonetic letters are meant

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # optional package: imported where a voice first speaks
    from hibari.g2p import G2P

_PAIRS = {"ɜɹ": "ɜː", "əɹ": "ɚ"}  # r-coloured vowels are one symbol in en-us
_SYMBOLS = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ", "ʧ": "tʃ", "ʤ": "dʒ",
    "T": "ɾ", "ᵊ": "ə", "ɑ": "ɑː", "ɔ": "ɔː",
}  # fmt: skip
_STRESSED = re.compile(r"([ˈˌ])([iu])")


def misaki_phonemes(text: str) -> str:
    """Return the phonemes of a text in the alphabet of misaki and Kokoro, punctuation kept."""
    return str(_phonemizer()(text))


def espeak_phonemes(text: str) -> str:
    """Return the phonemes of a text in the IPA of espeak-ng's voice en-us."""
    return misaki_to_espeak(misaki_phonemes(text))


def misaki_to_espeak(phonemes: str) -> str:
    """Spell misaki's phonemes as espeak-ng does.

    Single capitals stand for diphthongs in misaki (github.com/hexgrad/misaki, EN_PHONES.md);
    espeak-ng marks length, in i and u only under stress.

    >>> misaki_to_espeak("tɹˈi ˈOvəɹ")
    'tɹˈiː ˈoʊvɚ'
    """
    phonemes = _STRESSED.sub(r"\1\2ː", phonemes)
    for pair, symbol in _PAIRS.items():
        phonemes = phonemes.replace(pair, symbol)
    return "".join(_SYMBOLS.get(symbol, symbol) for symbol in phonemes)


@cache
def _phonemizer() -> G2P:
    from hibari.g2p import G2P

    return G2P()
