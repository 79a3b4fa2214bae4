"""Numbers and letters as they are said on the radio, as draws that fill the slots of a frame.

Digit by digit, letters with the spelling alphabet of the ITU Radio Regulations, Appendix 14 (the
same as ICAO Annex 10, volume II, 5.2.1.3). Reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Draw: TypeAlias = Callable[[np.random.Generator], str]
"""Draws the value of a slot."""

NATO = (
    "Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliet",
    "Kilo", "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango",
    "Uniform", "Victor", "Whiskey", "X-ray", "Yankee", "Zulu",
)  # fmt: skip
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def pick(*options: str) -> Draw:
    """Return a draw of one of these."""
    return lambda rng: options[rng.integers(len(options))]


def digits(number: int, width: int = 1) -> str:
    """Return a number digit by digit, with leading zeros up to a width.

    >>> digits(7, 3)
    'zero zero seven'
    """
    return " ".join(DIGITS[int(figure)] for figure in f"{number:0{width}d}")


def cardinal(number: int) -> str:
    """Return a number from 0 to 99 as in everyday speech.

    >>> cardinal(42)
    'forty-two'
    """
    if number < 10:
        return DIGITS[number]
    if number < 20:
        return TEENS[number - 10]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens]}-{DIGITS[ones]}" if ones else TENS[tens]


def whole(low: int, high: int, step: int = 1, width: int = 1) -> Draw:
    """Return a draw of whole numbers from low to high, said digit by digit."""
    return lambda rng: digits(int(rng.integers(low // step, high // step + 1)) * step, width)


def tenths(low: int, high: int, decimal_share: float) -> Draw:
    """Return a draw of numbers from low to high, a share of them with one decimal place."""

    def draw(rng: np.random.Generator) -> str:
        number = digits(int(rng.integers(low, high + 1)))
        if rng.random() >= decimal_share:
            return number
        return f"{number} decimal {DIGITS[rng.integers(1, 10)]}"

    return draw
