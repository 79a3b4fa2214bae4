"""What the slots of a frame may hold besides names: numbers, letters and terms as spoken at sea.

Used by `calls.py`; reads nothing. Numbers are said digit by digit with "decimal", bearings with
three figures, times with four (IMO Resolution A.918(22), general part); letters with
the spelling alphabet of the ITU Radio Regulations, Appendix 14.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from asr_adapt.spoken_calls.numbers import DIGITS, NATO, Draw, digits, pick, tenths, whole

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


def _channel(rng: np.random.Generator) -> str:
    number = CHANNELS[rng.integers(len(CHANNELS))]
    if rng.random() >= CARDINAL_SHARE:
        return digits(number, 2)
    return CARDINALS.get(number) or f"{CARDINALS[number // 10 * 10]}-{DIGITS[number % 10]}"


def _callsign(rng: np.random.Generator) -> str:
    """Four letters, or four letters and a digit: the common forms of ship stations."""
    letters = [NATO[i] for i in rng.integers(26, size=4)]
    tail = [DIGITS[rng.integers(2, 10)]] if rng.random() < 0.4 else []
    return " ".join(letters + tail)


def _time(rng: np.random.Generator) -> str:
    return f"{digits(int(rng.integers(24)), 2)} {digits(int(rng.integers(12)) * 5, 2)}"


def _latitude(rng: np.random.Generator) -> str:
    degrees, minutes = digits(int(rng.integers(51, 66))), digits(int(rng.integers(60)), 2)
    return f"{degrees} degrees {minutes} minutes north"


def _longitude(rng: np.random.Generator) -> str:
    degrees, minutes = digits(int(rng.integers(0, 31)), 3), digits(int(rng.integers(60)), 2)
    return f"{degrees} degrees {minutes} minutes east"


def _place_number(rng: np.random.Generator) -> str:
    """Buoys, berths and anchorages: a number, a letter, or both."""
    letter, number = NATO[rng.integers(26)], digits(int(rng.integers(1, 60)))
    return (number, number, letter, f"{letter} {digits(int(rng.integers(1, 10)))}")[rng.integers(4)]


def _mmsi(rng: np.random.Generator) -> str:
    """Nine digits; the first three are of a country in Europe (ITU-R M.585)."""
    return digits(int(rng.integers(201, 280))) + " " + digits(int(rng.integers(10**6)), 6)


VALUES: Mapping[str, Draw] = {
    "channel": _channel,
    "callsign": _callsign,
    "mmsi": _mmsi,
    "lat": _latitude,
    "lon": _longitude,
    "time": _time,
    "bearing": whole(0, 359, width=3),
    "course": whole(0, 355, 5, width=3),
    "distance": tenths(2, 14, 0.5),
    "speed": tenths(4, 22, 0.3),
    "draught": tenths(3, 18, 0.9),
    "height": tenths(2, 9, 0.3),
    "beam": tenths(11, 45, 0.3),
    "length": whole(60, 340),
    "visibility": whole(200, 900, 100),
    "minutes": whole(5, 55, 5, width=2),
    "persons": whole(2, 28),
    "cables": whole(2, 9),
    "number": whole(2, 14),
    "force": whole(6, 11),
    "tugs": pick("two", "three", "four"),
    "letter": pick(*NATO),
    "buoy": _place_number,
    "berth": _place_number,
    "anchorage": _place_number,
    "point": pick(*POINTS),
    "side": pick("port", "starboard"),
    "wind": pick(*WINDS),
    "cargo": pick(*CARGOES),
    "flag": pick(*FLAGS),
}
"""What a slot that is no name may hold: a draw per slot."""
