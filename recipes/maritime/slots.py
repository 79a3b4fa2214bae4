"""What the slots of a frame may hold besides names: numbers, letters and terms as spoken at sea.

Used by `calls.py`; reads nothing. Numbers are said digit by digit with "decimal", bearings with
three figures, times with four (IMO Resolution A.918(22), general part); letters with
the spelling alphabet of the ITU Radio Regulations, Appendix 14.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
CARDINAL_SHARE = 0.12
"""Share of channel numbers that are said as at home: "sixteen", not "one six"."""

CARDINALS = {
    6: "six", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen",
    14: "fourteen", 16: "sixteen", 60: "sixty", 70: "seventy", 80: "eighty",
}  # fmt: skip
CHANNELS = (
    6, 8, 9, 10, 11, 12, 13, 14, 16, 60, 61, 62, 63, 65, 66, 67, 68, 69, 71, 72, 73, 74, 77, 79,
    80, 82, 84, 85, 86,
)  # fmt: skip
"""International VHF channels for ships and ports (ITU Radio Regulations, Appendix 18)."""

POINTS = (
    "north", "south", "east", "west", "north-east", "north-west", "south-east", "south-west",
)  # fmt: skip
WINDS = tuple(f"{point}erly" for point in POINTS)
CARGOES = (
    "steel coils", "containers", "timber", "grain", "fertiliser", "crude oil", "liquefied gas",
    "paper reels", "wind turbine blades", "coal", "scrap metal", "road salt", "trailers",
    "methanol", "ammonium nitrate", "diesel oil", "cement", "china clay", "soya beans",
)  # fmt: skip
FLAGS = (
    "Netherlands", "German", "Danish", "Norwegian", "Swedish", "Finnish", "Polish", "Estonian",
    "Latvian", "Portuguese", "Maltese", "Cyprus", "Panama", "Liberian", "Bahamas", "Antigua",
)  # fmt: skip


def _pick(*options: str) -> Draw:
    return lambda rng: options[rng.integers(len(options))]


def _digits(number: int, width: int = 1) -> str:
    return " ".join(DIGITS[int(figure)] for figure in f"{number:0{width}d}")


def _whole(low: int, high: int, step: int = 1, width: int = 1) -> Draw:
    return lambda rng: _digits(int(rng.integers(low // step, high // step + 1)) * step, width)


def _tenths(low: int, high: int, decimal_share: float) -> Draw:
    """Numbers from low to high, a share of them with one decimal place."""

    def draw(rng: np.random.Generator) -> str:
        whole = _digits(int(rng.integers(low, high + 1)))
        if rng.random() >= decimal_share:
            return whole
        return f"{whole} decimal {DIGITS[rng.integers(1, 10)]}"

    return draw


def _channel(rng: np.random.Generator) -> str:
    number = CHANNELS[rng.integers(len(CHANNELS))]
    if rng.random() >= CARDINAL_SHARE:
        return _digits(number, 2)
    return CARDINALS.get(number) or f"{CARDINALS[number // 10 * 10]}-{DIGITS[number % 10]}"


def _callsign(rng: np.random.Generator) -> str:
    """Four letters, or four letters and a digit: the common forms of ship stations."""
    letters = [NATO[i] for i in rng.integers(26, size=4)]
    tail = [DIGITS[rng.integers(2, 10)]] if rng.random() < 0.4 else []
    return " ".join(letters + tail)


def _time(rng: np.random.Generator) -> str:
    return f"{_digits(int(rng.integers(24)), 2)} {_digits(int(rng.integers(12)) * 5, 2)}"


def _latitude(rng: np.random.Generator) -> str:
    degrees, minutes = _digits(int(rng.integers(51, 66))), _digits(int(rng.integers(60)), 2)
    return f"{degrees} degrees {minutes} minutes north"


def _longitude(rng: np.random.Generator) -> str:
    degrees, minutes = _digits(int(rng.integers(0, 31)), 3), _digits(int(rng.integers(60)), 2)
    return f"{degrees} degrees {minutes} minutes east"


def _place_number(rng: np.random.Generator) -> str:
    """Buoys, berths and anchorages: a number, a letter, or both."""
    letter, number = NATO[rng.integers(26)], _digits(int(rng.integers(1, 60)))
    return (number, number, letter, f"{letter} {_digits(int(rng.integers(1, 10)))}")[
        rng.integers(4)
    ]


def _mmsi(rng: np.random.Generator) -> str:
    """Nine digits; the first three are of a country in Europe (ITU-R M.585)."""
    return _digits(int(rng.integers(201, 280))) + " " + _digits(int(rng.integers(10**6)), 6)


VALUES: Mapping[str, Draw] = {
    "channel": _channel,
    "callsign": _callsign,
    "mmsi": _mmsi,
    "lat": _latitude,
    "lon": _longitude,
    "time": _time,
    "bearing": _whole(0, 359, width=3),
    "course": _whole(0, 355, 5, width=3),
    "distance": _tenths(2, 14, 0.5),
    "speed": _tenths(4, 22, 0.3),
    "draught": _tenths(3, 18, 0.9),
    "height": _tenths(2, 9, 0.3),
    "beam": _tenths(11, 45, 0.3),
    "length": _whole(60, 340),
    "visibility": _whole(200, 900, 100),
    "minutes": _whole(5, 55, 5, width=2),
    "persons": _whole(2, 28),
    "cables": _whole(2, 9),
    "number": _whole(2, 14),
    "force": _whole(6, 11),
    "tugs": _pick("two", "three", "four"),
    "letter": _pick(*NATO),
    "buoy": _place_number,
    "berth": _place_number,
    "anchorage": _place_number,
    "point": _pick(*POINTS),
    "side": _pick("port", "starboard"),
    "wind": _pick(*WINDS),
    "cargo": _pick(*CARGOES),
    "flag": _pick(*FLAGS),
}
"""What a slot that is no name may hold: a draw per slot."""
