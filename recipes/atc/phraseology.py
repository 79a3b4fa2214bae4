"""Air traffic control as it is spoken: call signs, places and the numbers of clearances.

Reads the tables beside it (``frames.tsv``, ``designators.tsv``, ``places.tsv``); `prepare.py` has
the calls spoken. Every frame and call sign belongs to one split, and some operators, waypoints and
stations are of the test set alone. The grammar follows ICAO Doc 4444, chapter 12 and Doc 9432 (the
wording is ours); telephony designators are those of ICAO Doc 8585. Refuses unknown slots or splits.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from asr_adapt.errors import DataError
from asr_adapt.spoken_calls.calls import (
    SPLITS,
    Grammar,
    Lexicon,
    Name,
    build_lexicons,
    read_names,
    read_rows,
    split_of,
)
from asr_adapt.spoken_calls.numbers import DIGITS, NATO, Draw, digits, pick, whole

SHARES = {"test": 20, "dev": 8}
"""Per cent of the call signs of operators in all splits that are kept for a split."""

FLIGHTS = 16
"""Call signs of an operator."""
REGISTRATIONS = 240
"""Light aircraft, which call themselves by the five letters of their registration."""
COUNTRIES = ("Golf", "Delta", "Oscar", "Hotel", "Foxtrot")

AS_SPOKEN = {
    "QNH": "cue en aitch", "ILS": "eye ell ess", "TCAS": "tee cass", "Speedbird": "speed bird",
    "Ryanair": "ryan air", "Finnair": "fin air", "squawk": "skwawk", "Squawking": "skwawking",
    "pushback": "push back", "de-icing": "dee icing", "pan": "pan", "localizer": "low calizer",
    "servus": "sair vooss",
}  # fmt: skip
"""Words that voices misread, in the spelling that makes them say the right thing."""


def _runway(rng: np.random.Generator) -> str:
    side = ("", "", " left", " right")[rng.integers(4)]
    return f"{digits(int(rng.integers(1, 37)), 2)}{side}"


def _level(rng: np.random.Generator) -> str:
    """Flight levels 60 to 410 in tens; whole hundreds are said as such (Doc 4444, 12.3.1)."""
    tens = int(rng.integers(6, 42))
    if tens % 10 == 0:
        return f"{DIGITS[tens // 10]} hundred"
    return digits(tens * 10, 3 if tens >= 10 else 2)


def _altitude(rng: np.random.Generator) -> str:
    """Feet in whole hundreds: "four thousand five hundred" (ICAO Annex 10, volume II, 5.2.1.4)."""
    hundreds = int(rng.integers(15, 95))
    thousands, rest = divmod(hundreds, 10)
    tail = f" {DIGITS[rest]} hundred" if rest and rng.random() < 0.7 else ""
    return f"{DIGITS[thousands]} thousand{tail}"


def _frequency(rng: np.random.Generator) -> str:
    """118.000 to 136.975 MHz; six figures with 8.33 kHz spacing, four where the last are zero."""
    megahertz = digits(int(rng.integers(118, 137)))
    if rng.random() < 0.5:
        return f"{megahertz} decimal {DIGITS[rng.integers(1, 10)]}"
    return f"{megahertz} decimal {digits(int(rng.integers(1, 200)) * 5, 3)}"


def _wind(rng: np.random.Generator) -> str:
    direction = digits(int(rng.integers(1, 37)) * 10, 3)
    return f"{direction} degrees {digits(int(rng.integers(3, 25)))} knots"


def _taxiway(rng: np.random.Generator) -> str:
    letter = NATO[rng.integers(26)]
    return letter if rng.random() < 0.5 else f"{letter} {DIGITS[rng.integers(1, 10)]}"


def _stand(rng: np.random.Generator) -> str:
    letter = f"{NATO[rng.integers(6)]} " if rng.random() < 0.5 else ""
    return f"{letter}{digits(int(rng.integers(1, 80)))}"


def _time(rng: np.random.Generator) -> str:
    return f"{digits(int(rng.integers(24)), 2)} {digits(int(rng.integers(60)), 2)}"


def _squawk(rng: np.random.Generator) -> str:
    return " ".join(DIGITS[i] for i in rng.integers(8, size=4))  # octal: no eight, no nine


VALUES: Mapping[str, Draw] = {
    "runway": _runway,
    "level": _level,
    "altitude": _altitude,
    "frequency": _frequency,
    "wind": _wind,
    "taxiway": _taxiway,
    "stand": _stand,
    "time": _time,
    "squawk": _squawk,
    "heading": whole(5, 360, 5, width=3),
    "qnh": whole(982, 1036),
    "speed": whole(160, 300, 10),
    "rate": lambda rng: f"{DIGITS[rng.integers(1, 4)]} thousand",
    "miles": whole(3, 29),
    "minutes": whole(5, 40, 5),
    "tens": whole(10, 40, 10),
    "count": pick("one", "two", "three", "four"),
    "clock": pick("one", "two", "three", "nine", "ten", "eleven", "twelve"),
    "letter": pick(*NATO),
    "point": pick("north", "south", "east", "west"),
    "temperature": whole(1, 29),
}

GRAMMAR = Grammar(
    kinds=("callsign", "waypoint", "station", "place"),
    values=VALUES,
    as_spoken=AS_SPOKEN,
    radio_digits={"three": "tree", "five": "fife", "nine": "niner"},
    radio_digit_share=0.3,
    told=("callsign",),
    listed=("callsign",),
    listed_share=1.0,
    context_size=(5, 20),
)
"""Context is what the radar shows: the call signs in the sector, in spoken form."""


def read_lexicons(folder: Path) -> dict[str, Lexicon]:
    """Read the tables; returns frames and names by split.

    Raises:
        DataError: a row names an unknown slot, split or kind.
    """
    names = [*_read_callsigns(folder / "designators.tsv"), *_registrations()]
    names += read_names(folder / "places.tsv", GRAMMAR.kinds)
    return build_lexicons(folder / "frames.tsv", names, GRAMMAR)


def _read_callsigns(path: Path) -> Iterator[Name]:
    """Yield call signs of each operator; a matter of its name alone, whatever else is listed."""
    for row in read_rows(path):
        if row["split"] not in (*SPLITS, "all"):
            raise DataError(f"{path}: '{row['name']}': unknown split '{row['split']}'")
        for flight in flights(row["name"]):
            text = f"{row['name']} {flight}"
            split = split_of(text, SHARES) if row["split"] == "all" else row["split"]
            say = f"{row['say']} {flight}" if row["say"] else ""
            yield Name(text, "callsign", (split,), say)


def flights(operator: str) -> list[str]:
    """Return made flight numbers of an operator, none of which begins another.

    Two to four figures and up to two letters, as call signs have (ICAO Annex 10, volume II,
    5.2.1.7.2), such as "four five kilo".
    """
    rng = np.random.default_rng(zlib.crc32(operator.encode()))
    made: list[str] = []
    while len(made) < FLIGHTS:
        figures = digits(int(rng.integers(10, 10 ** int(rng.integers(2, 5)))))
        letters = [NATO[i] for i in rng.integers(26, size=int(rng.choice(3, p=(0.5, 0.25, 0.25))))]
        flight = " ".join([figures, *letters])
        if not any(
            f"{a} ".startswith(f"{b} ") for o in made for a, b in ((o, flight), (flight, o))
        ):
            made.append(flight)
    return made


def _registrations() -> Iterator[Name]:
    rng = np.random.default_rng(7)
    for _ in range(REGISTRATIONS):
        letters = [NATO[i] for i in rng.integers(26, size=4)]
        text = " ".join([COUNTRIES[rng.integers(len(COUNTRIES))], *letters])
        yield Name(text, "callsign", (split_of(text, SHARES),), "")
