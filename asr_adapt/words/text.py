"""Named, versioned normalisers: what two texts are brought to before they are compared.

Floor 1, the home of whisper_normalizer. A score means nothing without the normaliser's name and
version, so they travel with it. Reads and writes plain strings; never loads torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import ModuleType

from asr_adapt.errors import UsageError
from asr_adapt.words.spoken import normalise_spoken


@dataclass(frozen=True, slots=True)
class Normaliser:
    """A way to bring texts to one form.

    Attributes:
        name: what the user calls it.
        version: changes whenever any text comes out differently.
        function: the text in its form; idempotent except for ``whisper-en``.
    """

    name: str
    version: str
    function: Callable[[str], str]

    def __call__(self, text: str) -> str:
        """Return the normalised text."""
        return self.function(text)


def get_normaliser(name: str) -> Normaliser:
    """Return a normaliser by name.

    ``raw`` evens out white space only. ``whisper-en`` is Whisper's own normaliser (Radford et al.
    2022, arXiv 2212.04356, appendix C). ``spoken-en`` is for radio and telephone: digits one by
    one, the spelling alphabet as letters, call signs, units and procedure words in one form.

    Raises:
        UsageError: there is no such normaliser.
    """
    if name not in _NORMALISERS:
        raise UsageError(f"normaliser '{name}': unknown; choose one of {', '.join(_NORMALISERS)}")
    return _NORMALISERS[name]


def _raw(text: str) -> str:
    return " ".join(text.split())


def _whisper(text: str) -> str:
    return _raw(_whisper_normaliser()(text))


def _spoken(text: str) -> str:
    return normalise_spoken(text, _spellings())


@cache
def _whisper_normaliser() -> Callable[[str], str]:
    normaliser: Callable[[str], str] = _whisper_english().EnglishTextNormalizer()
    return normaliser


def _whisper_english() -> ModuleType:
    with warnings.catch_warnings():
        # A docstring of the package holds a stray backslash, which Python warns about.
        warnings.simplefilter("ignore")
        from whisper_normalizer import english
    module: ModuleType = english
    return module


@cache
def _spellings() -> dict[str, str]:
    """British to American; entries that are not one word for one word are damaged and left out."""
    table: dict[str, str] = _whisper_english().EnglishSpellingNormalizer().mapping
    return {k: v for k, v in table.items() if k.isalpha() and v.isalpha() and v not in table}


_NORMALISERS = {
    normaliser.name: normaliser
    for normaliser in (
        Normaliser("raw", "1", _raw),
        Normaliser("whisper-en", version("whisper-normalizer"), _whisper),
        Normaliser("spoken-en", "2", _spoken),
    )
}
