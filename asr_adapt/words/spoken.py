"""English as spoken over radio and telephone in one written form, whatever style it came in.

Floor 1, the function behind the normaliser ``spoken-en`` of `asr_adapt.words.text`. Cased,
punctuated text with figures and lower-case text with everything spelled out give the same words.
Rules for written forms only fire on what never stands in the result (figures of several digits,
letters glued to digits), so normalising twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, takewhile

from asr_adapt.words.numerals import spell_digits
from asr_adapt.words.spoken_words import (
    ACRONYMS,
    COMPASS,
    FILLERS,
    LETTERS,
    NO_NAMES,
    PHRASES,
    PLURALS,
    RESERVED,
    SPELLED_MARK,
    TITLES_OR_ROADS,
    UNITS,
    WORDS,
)

_MOST_PASSES = 8

_APOSTROPHES = "\u2018\u2019\u02bc`"
_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys(_APOSTROPHES, "'"),
        "\N{MINUS SIGN}": "-",
        "\N{MASCULINE ORDINAL INDICATOR}": "°",
        "\N{RING ABOVE}": "°",
        "\N{PRIME}": " minutes ",
        "\N{DOUBLE PRIME}": " seconds ",
        "%": " percent ",
        "&": " and ",
        # Letters without a decomposition, as in Whisper's normaliser.
        "œ": "oe",
        "ø": "o",
        "æ": "ae",
        "ß": "ss",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ł": "l",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    }
)
IN_BRACKETS = re.compile(r"\[[^\]]*\]|<[^>]*>|\([^)]*\)|\{[^}]*\}")
"""Notes of what is no speech, such as "[static]"."""

_PLURAL_WORDS = {figures.removesuffix("s"): word for word, figures in PLURALS.items()}
_PLURAL = re.compile(rf"(?<![\w.])(\d*)({'|'.join(_PLURAL_WORDS)})'?s\b")
_WRITTEN: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    # A lower-case m that belongs to figures is metres; 12M, D5M and the letter in "five m" are not.
    (re.compile(r"(?<![\w.])(\d[\d.,]*)m\b|(?<![\w.])(\d[\d.,]*\d)\s+m\b"), r"\1\2 meters"),
    # A lower-case s behind a round number is its plural; 60S ends a call sign.
    (_PLURAL, lambda match: f"{match[1]} {_PLURAL_WORDS[match[2]]}"),
    # In capitals amid other letters it is a place, else what one says while thinking.
    (re.compile(r"(?s)\bE\.\s?R\b\.?|(?<=[a-z]\s)ER\b|\bER\b(?=.*[a-z])"), "emergency room"),
]
_CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
_MONEY = re.compile(r"([$£€])\s*(\d[\d.,]*(?:\s+(?:hundred|thousand|million|billion))?)")
_SIDES = {"l": " left ", "r": " right ", "c": " center "}
# Runways: any number with L, R or C after the word; otherwise two figures 01 to 36 with L or R.
_RUNWAY = re.compile(
    r"(?<=runway )(\d\d? ?(?<!\b\d )|\d)([lrc])\b|(?<![\w.])(0[1-9]|[12]\d|3[0-6])([lr])\b"
)
_LOWERED = [
    (re.compile(r"(\d)\s*°\s*(\d+(?:\.\d+)?)\s*'"), r"\1 degrees \2 minutes "),
    (re.compile("°"), " degrees "),
    (re.compile(r"(?<!\w)-(?=\d)"), " minus "),
    (re.compile(r"\bch\b\.?\s*(?=\d\d)|\bch(?=\d)"), "channel "),
    (re.compile(r"\bfl\s*(?=\d\d)"), "flight level "),
    (re.compile(r"(?<=\d)[.](?=\d)|(?<!\w)[.](?=\d)"), " decimal "),
    (re.compile(r"\bo\.\s?k\b\.?"), "okay"),
    (re.compile(r"\b(re|pre|non|co)-(?=[a-z]{3})"), r"\1"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\b(?:ca|sha)n't\b"), "can not"),
    (re.compile(r"\bain't\b"), "is not"),
    (re.compile(r"\blet's\b"), "let us"),
    (re.compile(r"\by'all\b"), "you all"),
    (re.compile(r"\bma'am\b"), "madam"),
    (re.compile(r"(?<!\w)'cause\b"), "because"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'s (been|got|gone)\b"), r" has \1"),
    (re.compile(r"'d (been|gone|done)\b"), r" had \1"),
    (re.compile(r"\b(it|that|what|there|here|he|she|who|where|how)'s\b"), r"\1 is"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"\bi'm\b"), "i am"),
]
_PHRASES = re.compile(rf"\b({'|'.join(PHRASES)})\b")
_PIECES = re.compile(r"[0-9]+(?:st|nd|rd|th)\b|[0-9]+|[^0-9]+")


def normalise_spoken(text: str, spellings: Mapping[str, str]) -> str:
    """Return lower-case words, single digits and joined letters, separated by single spaces.

    Choices where a text is ambiguous: words of the spelling alphabet are always letters ("hotel"
    is "h"). "27L" is a runway, so "left", if it has two figures from 01 to 36 or follows the word
    runway. "m" is metres behind figures of two or more digits or when glued to them. "tree"
    and "fife" are digits beside other digits only, "oh" between them, and before them where a
    number with a leading zero stands ("at oh six thirty", "runway oh five"). "St" and "Dr" are
    titles before a name and roads behind one. "ER" in capitals is a place, "er" a hesitation. "a"
    and "I" beside single letters are words. Ordinals are one word ("25th"), "second" always being
    one, and so are plurals of round numbers ("60s"). Text in brackets is not speech.

    Args:
        text: any text.
        spellings: word to preferred word, such as British to American.

    >>> normalise_spoken("Delta-Five-Kilo, contact VTS on 118.1!", {})
    'd 5 k contact vts on 1 1 8 decimal 1'
    """
    words = _once(text, spellings)
    for _ in range(_MOST_PASSES):
        again = _once(words, spellings)
        if again == words:
            break
        words = again
    return words


def _once(text: str, spellings: Mapping[str, str]) -> str:
    plain = _name_roads(_plain(text).split())
    words = [piece for word in plain for piece in _expand(word)]
    words = _join_letters(_name_compass(spell_digits(words)))
    return " ".join(_name_units([spellings.get(word, word) for word in words]))


def _plain(text: str) -> str:
    """Lower-case text without brackets, punctuation, symbols, marks and apostrophes."""
    text = IN_BRACKETS.sub(" ", _decompose(text.translate(_SYMBOLS)))
    for pattern, replacement in _WRITTEN:
        text = pattern.sub(replacement, text)
    text = _decompose(text.lower()).translate(_SYMBOLS)
    text = _MONEY.sub(lambda m: f"{m[2]} {_CURRENCIES[m[1]]}", text)
    text = _RUNWAY.sub(lambda m: f"{m[1] or m[3]}{_SIDES[m[2] or m[4]]}", text)
    for pattern, replacement in _LOWERED:
        text = pattern.sub(replacement, text)
    text = " ".join("".join(map(_letter_or_space, text)).split())
    return _PHRASES.sub(lambda match: PHRASES[match[1]], text)


def _decompose(text: str) -> str:
    """Compatibility decomposition without marks and invisible characters, ASCII digits."""
    kept = (c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in _GONE)
    return "".join(
        str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in kept
    )


_GONE = frozenset({"Mn", "Me", "Cf"})


def _letter_or_space(character: str) -> str:
    if character == "'":
        return ""
    category = unicodedata.category(character)
    return character if category[0] in "LN" or category == "Mc" else " "


def _name_roads(words: list[str]) -> list[str]:
    """Tell titles from roads: "st mary" and "dr smith", but "main st" and "king dr and"."""
    named = list(words)
    for i, word in enumerate(words):
        if word in TITLES_OR_ROADS:
            named_before = i > 0 and words[i - 1] not in NO_NAMES
            ends_here = i + 1 == len(words) or words[i + 1] in NO_NAMES or words[i + 1][0].isdigit()
            named[i] = TITLES_OR_ROADS[word][named_before and ends_here]
    return named


def _expand(word: str) -> Iterator[str]:
    """Give the words that one written word stands for."""
    if word in FILLERS:
        return
    if word in LETTERS:
        yield SPELLED_MARK + LETTERS[word]
    elif word.isalpha():
        yield from WORDS.get(word, word).split()
    else:
        yield from _unglue(_PIECES.findall(word))


def _unglue(pieces: list[str]) -> Iterator[str]:
    if len(pieces) == 2 and pieces[0].isdigit() and pieces[1] in UNITS:
        yield from pieces
        return
    for piece in pieces:
        yield piece if piece[0] in "0123456789" or len(pieces) == 1 else SPELLED_MARK + piece


def _name_compass(words: list[str]) -> list[str]:
    """Turn a letter after degrees or minutes into its direction: "54 minutes n"."""
    named = list(words)
    for i in range(1, len(words)):
        letter = words[i].removeprefix(SPELLED_MARK)
        if letter in COMPASS and words[i - 1] in ("degrees", "minutes", "seconds"):
            behind = words[i + 1].removeprefix(SPELLED_MARK) if i + 1 < len(words) else ""
            if len(behind) != 1 or _an_angle(words[i + 1 :]):
                named[i] = COMPASS[letter]
    return named


def _an_angle(words: list[str]) -> bool:
    """Tell whether words begin with a number of degrees, as the second half of a position."""
    figures = takewhile(lambda word: word.isdigit() or word == "decimal", words)
    count = sum(1 for _ in figures)
    return 0 < count < len(words) and words[count] == "degrees"


def _join_letters(words: list[str]) -> list[str]:
    """Join runs of letters: "v t s" to "vts", "papa alpha 3" to "pa 3"."""
    joined: list[str] = []
    for kind, group in groupby(words, key=_letter_kind):
        run = [word.removeprefix(SPELLED_MARK) for word in group]
        if kind == "plain":
            joined += run
        elif kind == "spelled":
            joined += _join("".join(run))
        else:
            joined += _join_but_words(run)
    return joined


def _join_but_words(run: list[str]) -> list[str]:
    """Join letters written apart, but for "a" and "i" at either end, which are words of their own.

    "k i" is a call sign's end and a pronoun; only what is always said in letters claims them.
    """
    for start, end in ((0, len(run)), (1, len(run)), (0, len(run) - 1)):
        if "".join(run[start:end]) in ACRONYMS:
            return [*run[:start], *_join("".join(run[start:end])), *run[end:]]
    start = run[0] in "ai"
    end = len(run) - (run[-1] in "ai" and len(run) > start)
    inner = "".join(run[start:end])
    return [*run[:start], *(_join(inner) if inner else []), *run[end:]]


def _letter_kind(word: str) -> str:
    if word.startswith(SPELLED_MARK):
        return "spelled"
    return "letter" if len(word) == 1 and word.isalpha() else "plain"


def _join(letters: str) -> list[str]:
    # A run that reads like a word with a meaning of its own stays apart, else the next pass or
    # the other text would take it for that word.
    return list(letters) if letters in RESERVED else [letters]


def _name_units(words: list[str]) -> list[str]:
    named: list[str] = []
    for i, word in enumerate(words):
        after_number = i > 0 and words[i - 1] in _NUMBER_ENDS
        named += UNITS.get(word, word).split() if after_number else [word]
    return named


_NUMBER_ENDS = frozenset([*"0123456789", "hundred", "thousand", "million", "nautical"])
