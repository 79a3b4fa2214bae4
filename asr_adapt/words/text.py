"""Named, versioned normalisers: what two texts are brought to before they are compared.

Floor 1, the home of whisper_normalizer. A score means nothing without the normaliser's name and
version, so they travel with it. Reads and writes plain strings; never loads torch.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import ModuleType

from asr_adapt.errors import UsageError
from asr_adapt.words.spoken import IN_BRACKETS, normalise_spoken

BY_LANGUAGE = "auto"
"""Stands for the normaliser of the language that is spoken, see `normaliser_for`."""


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
    ``basic`` is for every other language: Whisper's own for these (ibid.), which makes lower case
    and takes out punctuation, but keeps vowel signs, without which words of Hindi or Thai are
    others; what is written without spaces is taken apart, as there by language.

    Raises:
        UsageError: there is no such normaliser.
    """
    if name not in _NORMALISERS:
        raise UsageError(f"normaliser '{name}': unknown; choose one of {', '.join(ASKED_FOR)}")
    return _NORMALISERS[name]


def normaliser_for(name: str, languages: Iterable[str]) -> Normaliser:
    """Return the normaliser that is asked for, or by ``auto`` the one for the speech at hand.

    That is ``spoken-en`` where all of it is English, else ``basic``: the rules of the first would
    read German "er" as a filler and "papa" as a letter.

    Args:
        name: a normaliser's name, or `BY_LANGUAGE`.
        languages: ISO 639-1 codes of the speech; none stands for English.

    Raises:
        UsageError: there is no such normaliser.
    """
    if name != BY_LANGUAGE:
        return get_normaliser(name)
    return get_normaliser("spoken-en" if set(languages) <= {"en"} else "basic")


def check_normaliser(name: str) -> None:
    """Refuse a name that `normaliser_for` does not know, before anything is read.

    Raises:
        UsageError: there is no such normaliser.
    """
    normaliser_for(name, ())


def whispers_own(language: str) -> Normaliser:
    """Return the normaliser that Whisper's authors score a language with, as far as we have it."""
    return get_normaliser("whisper-en" if language == "en" else "basic")


def nobody_speaks(transcript: str) -> bool:
    """Tell whether a transcript says that nobody speaks: it is empty, or notes of noise alone.

    Notes stand in brackets, as in "[static]". Where one says that somebody speaks, but not what
    ("[unintelligible]"), and where hesitations are written down, it is not silence.
    """
    notes = " ".join(IN_BRACKETS.findall(transcript)).casefold()
    rest = IN_BRACKETS.sub(" ", transcript)
    return not any(map(str.isalnum, rest)) and not _SPEECH_UNKNOWN.search(notes)


_SPEECH_UNKNOWN = re.compile(
    r"unintelligible|inaudible|in(?:dis|com)[a-z]+ble|unclear|unk|cross.?talk|foreign|speech|speak"
)


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


def _basic(text: str) -> str:
    return _raw(_SPACELESS.sub(lambda run: f" {' '.join(_characters(run[0]))} ", _plain()(text)))


@cache
def _plain() -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    normaliser: Callable[[str], str] = BasicTextNormalizer(preserve_marks=True)
    return normaliser


_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Burmese, Khmer, kana and Han, which are written without spaces between words."""


def _characters(run: str) -> list[str]:
    """Return characters with the marks that belong to them."""
    characters: list[str] = []
    for sign in run:
        if characters and unicodedata.category(sign)[0] == "M":
            characters[-1] += sign
        else:
            characters.append(sign)
    return characters


def is_written_without_spaces(text: str) -> bool:
    """Tell whether a text begins in a script that puts no spaces between words."""
    return _SPACELESS.match(text) is not None


def words_said(text: str) -> float:
    """Return how many words a normalised text has, to say how fast it was spoken.

    Two characters of a language that is written without spaces are about a word.
    """
    words = text.split()
    return len(words) - sum(_SPACELESS.fullmatch(word) is not None for word in words) / 2


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
        Normaliser("spoken-en", "3", _spoken),
        Normaliser("basic", f"1+{version('whisper-normalizer')}", _basic),
    )
}

ASKED_FOR = (BY_LANGUAGE, *_NORMALISERS)
"""Names that `normaliser_for` knows."""
