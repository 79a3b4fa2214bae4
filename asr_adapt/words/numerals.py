"""Spoken and written numbers to one form: single digits, as they are read out on the radio.

Floor 1, a step of `asr_adapt.words.spoken`: word list in, word list out. "one hundred and twenty",
"120" and "one two zero" all become "1 2 0". Every word gets a one-character code; regular
expressions over the codes are the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from asr_adapt.words.spoken_words import (
    DIGITS_NEXT_TO_DIGITS,
    LEADING,
    MULTIPLIERS,
    ORDINALS,
    REPEATS,
    SPELLED_MARK,
    TEENS,
    TENS,
    UNITS_OF_TEN,
)

# Codes: U one to nine, Z zero, T ten to nineteen and two-figure numerals, Y twenty to ninety,
# N longer numerals, H hundred, K thousand, M million, D decimal, P point, & and, A the article
# before a multiplier, X double and triple, Q oh, q a digit only beside digits, o an ordinal below
# ten, O another ordinal, S spelled letters, L what a number with a leading zero stands behind,
# E hours, "." everything else. Lower-case y u z t n x are digits
# after a decimal.
_DIGIT = "UZYTN"
_TENS_UNIT = "YU|Y|T|U"
_HUNDREDS_HEAD = r"(?:(?<![UZ])[UZ]{2}|YU|Y|T|N|U|A)H"
_HUNDREDS = rf"(?:{_HUNDREDS_HEAD}(?:&?(?:YU|Y|T|U(?![UZH]))(?!H))?)"
_BELOW_THOUSAND = rf"(?:{_HUNDREDS}|(?<![UZ])[UZ]{{2,3}}|N|{_TENS_UNIT}|A)"
_THOUSANDS = rf"(?:{_BELOW_THOUSAND}M(?:&?{_BELOW_THOUSAND}K)?|{_BELOW_THOUSAND}K)"
# A lone digit after "thousand" joins it unless more digits follow: "two thousand one one eight"
# is an altitude and a frequency, "two thousand one" a year.
_REST = rf"(?:&?(?:{_HUNDREDS}|N|YU|Y|T|U(?![UZ]))(?![HKM]))?"
_NUMBER = rf"{_THOUSANDS}{_REST}|{_HUNDREDS}"
_ORDINAL = rf"(?:(?:{_THOUSANDS}|{_HUNDREDS_HEAD})&?)?(?:Yo|o|O)"
_GRAMMAR = re.compile(
    rf"(?P<ordinal>{_ORDINAL})|(?P<number>{_NUMBER})|(?P<repeat>[Xx][UZuz])"
    r"|(?P<pair>YU|yu)|(?P<one>[UZYTNuzytn])"
)
_LONGEST_COEFFICIENT = 9

_WORD_CODES = {
    **dict.fromkeys(UNITS_OF_TEN, "U"),
    "zero": "Z",
    "nadazero": "Z",
    **dict.fromkeys(TEENS, "T"),
    **dict.fromkeys(TENS, "Y"),
    **{word: {100: "H", 1000: "K"}.get(value, "M") for word, value in MULTIPLIERS.items()},
    **dict.fromkeys(REPEATS, "X"),
    **dict.fromkeys(DIGITS_NEXT_TO_DIGITS, "q"),
    **{word: "o" if value < 10 else "O" for word, value in ORDINALS.items()},
    "oh": "Q",
    **dict.fromkeys(LEADING, "L"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "E"),
    "decimal": "D",
    "point": "P",
    "and": "&",
}
_VALUES = {
    **UNITS_OF_TEN,
    **DIGITS_NEXT_TO_DIGITS,
    **TEENS,
    **{word: 10 * value for word, value in TENS.items()},
    **MULTIPLIERS,
    **ORDINALS,
    "a": 1,
    "oh": 0,
}


def spell_digits(words: list[str]) -> list[str]:
    """Replace every number by its digits, one word each, "point" between digits by "decimal".

    Ordinals become one word ("twenty fifth" and "25th" are both "25th"). Radio pronunciations
    that are also ordinary words ("tree", "oh") count as digits only beside digits or letters.

    Args:
        words: lower-case words without punctuation; numerals hold ASCII digits only.

    >>> spell_digits("one eighteen point one".split())
    ['1', '1', '8', 'decimal', '1']
    """
    codes = _settle(_encode(words))
    spelled: list[str] = []
    end = 0
    for match in _GRAMMAR.finditer(codes):
        spelled += _leftover(words[end : match.start()], codes[end : match.start()])
        piece, piece_codes = words[match.start() : match.end()], match.group()
        spelled += _RULES[match.lastgroup or "one"](piece, piece_codes)
        end = match.end()
    return spelled + _leftover(words[end:], codes[end:])


def _encode(words: list[str]) -> str:
    codes = "".join(map(_code, words))
    return re.sub("A(?![HKM])", ".", codes)


def _code(word: str) -> str:
    if word.isascii() and word.isdigit():
        if len(word) == 1:
            return "Z" if word == "0" else "U"
        return "T" if len(word) == 2 else "N" if len(word) <= _LONGEST_COEFFICIENT else "n"
    if word.startswith(SPELLED_MARK):
        return "S"
    return "A" if word == "a" else _WORD_CODES.get(word, ".")


def _settle(codes: str) -> str:
    """Decide the words whose meaning hangs on their neighbours; the length stays."""
    codes = re.sub(rf"(?<=[{_DIGIT}DHKS])q+|q+(?=[{_DIGIT}DHKS])|qq+", _repeat("U"), codes)
    codes = re.sub(rf"(?<=[{_DIGIT}DPX])Q+(?=[{_DIGIT}])", _repeat("Z"), codes)
    codes = re.sub(rf"(?<=L)Q+(?=[{_DIGIT}])|Q+(?=[{_DIGIT}H]+E)", _repeat("Z"), codes)
    codes = re.sub(rf"(?<=[{_DIGIT}n])P(?=[{_DIGIT}n])", "D", codes)
    # Behind a decimal nothing is multiplied: "one point five million" keeps its "million".
    return re.sub(rf"D[{_DIGIT}X]+[HKM]?", lambda match: match.group().lower(), codes)


def _repeat(code: str) -> Callable[[re.Match[str]], str]:
    return lambda match: code * len(match.group())


def _leftover(words: list[str], codes: str) -> list[str]:
    spelled = ["decimal" if code in "Dd" else word for word, code in zip(words, codes, strict=True)]
    return ["thousand" if word == "tousand" else word for word in spelled]


def _value(word: str) -> int:
    return _VALUES[word] if word in _VALUES else int(word)


def _evaluate(words: list[str], codes: str) -> int:
    total = current = 0
    before = ""
    for word, code in zip(words, codes, strict=True):
        value = 0 if code == "&" else _value(word)
        if code in "KM":
            total, current = total + current * value, 0
        elif code == "H":
            current *= value
        elif code in "UZ" and before in ("U", "Z"):
            current = 10 * current + value
        else:
            current += value
        before = code
    return total + current


def _number(words: list[str], codes: str) -> list[str]:
    leading_zeros = "0" * (len(codes) - len(codes.lstrip("Z")))
    return list(f"{leading_zeros}{_evaluate(words, codes)}")


def _ordinal(words: list[str], codes: str) -> list[str]:
    value = _evaluate(words, codes)
    suffix = "th" if value // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return [f"{value}{suffix}"]


def _again(words: list[str], _: str) -> list[str]:
    return [str(_value(words[1]))] * REPEATS[words[0]]


def _one(words: list[str], _: str) -> list[str]:
    word = words[0]
    return list(word if word.isdigit() else str(_VALUES[word]))


_RULES: dict[str, Callable[[list[str], str], list[str]]] = {
    "ordinal": _ordinal,
    "number": _number,
    "repeat": _again,
    "pair": lambda words, _: list(str(_value(words[0]) + _value(words[1]))),
    "one": _one,
}
