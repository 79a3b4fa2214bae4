"""Police, fire, medical and utility dispatch as it is spoken: units, streets, codes and numbers.

Reads the tables beside it (``frames.tsv``, ``street_words.tsv``, ``places.tsv``); `prepare.py` has
the calls spoken. Every frame and street belongs to one split; units and landmarks are in all, as
a department knows its own. Codes are those of the APCO ten-signals as commonly used; the wording
and all addresses, plates and telephone numbers are made up. Refuses unknown slots or splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

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
from asr_adapt.spoken_calls.numbers import NATO, Draw, cardinal, digits, pick, whole

STREET_SHARES = {"test": 20, "dev": 7}
"""Per cent of the streets that are kept for a split; their words recur, as in every town."""

APPARATUS = ("Engine", "Ladder", "Truck", "Rescue", "Battalion", "Medic", "Ambulance", "Squad")
CRAFT = ("Unit", "Car", "Patrol", "Utility", "Crew")
BEATS = ("Adam", "Boy", "Charles", "David", "Edward", "Frank", "George", "Henry", "King", "Lincoln",
         "Mary", "Nora", "Ocean", "Paul", "Robert", "Sam", "Tom", "William")  # fmt: skip
"""The spelling alphabet of American police (APCO), which names beats."""

AS_SPOKEN = {"CPR": "see pee are", "Laundromat": "laundro mat", "Lafayette": "laffy ett"}
"""Words that voices misread, in the spelling that makes them say the right thing."""


def _house(rng: np.random.Generator) -> str:
    """House numbers as dispatchers read them: in pairs, or digit by digit."""
    number = int(rng.integers(101, 9999))
    head, tail = divmod(number, 100)
    if tail < 10 or rng.random() < 0.35:
        return digits(number)
    return f"{cardinal(head)} {cardinal(tail)}"


def _phone(rng: np.random.Generator) -> str:
    """Five five five and four figures: numbers kept for fiction (NANPA)."""
    return f"five five five, zero one {digits(int(rng.integers(100)), 2)}"


def _plate(rng: np.random.Generator) -> str:
    letters = " ".join(NATO[i] for i in rng.integers(26, size=3))
    return f"{letters} {digits(int(rng.integers(1000)), 3)}"


def _apartment(rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return digits(int(rng.integers(1, 40)))
    return f"{digits(int(rng.integers(1, 12)))} {NATO[rng.integers(6)]}"


VALUES: Mapping[str, Draw] = {
    "number": _house,
    "phone": _phone,
    "plate": _plate,
    "apartment": _apartment,
    "time": lambda r: f"{digits(int(r.integers(24)), 2)} {digits(int(r.integers(60)), 2)}",
    "hundred": lambda r: f"{cardinal(int(r.integers(1, 60)))} hundred",
    "district": pick("one", "two", "three", "four", "five", "six"),
    "minutes": lambda r: cardinal(int(r.integers(2, 20))),
    "crew": pick("two", "three", "four", "five"),
    "speed": lambda r: cardinal(int(r.integers(6, 19)) * 5),
    "floor": pick("one", "two", "three", "four", "five"),
    "side": pick("Alpha", "Bravo", "Charlie", "Delta"),
    "channel": pick("one", "two", "three", "four", "five", "six", "seven", "eight"),
    "age": lambda r: cardinal(int(r.integers(20, 95))),
    "pressure": lambda r: f"one {cardinal(int(r.integers(10, 90)))}",
    "low": lambda r: cardinal(int(r.integers(60, 99))),
    "pulse": lambda r: cardinal(int(r.integers(50, 99))),
    "saturation": lambda r: cardinal(int(r.integers(84, 99))),
    "count": lambda r: cardinal(int(r.integers(12, 99))),
    "transformer": whole(1000, 9999),
    "person": pick("male", "female", "man", "woman", "teenager"),
    "complaint": pick("chest pain", "difficulty breathing", "unconscious", "a fall with injury",
                      "a seizure", "an allergic reaction", "abdominal pain", "a diabetic problem"),
    "incident": pick("a structure fire", "a car fire", "a burglary in progress", "an alarm",
                     "a domestic disturbance", "a vehicle accident", "a gas leak", "a prowler",
                     "a person down", "shots fired", "a noise complaint", "a missing child",
                     "a brush fire", "a shoplifter", "smoke in the building", "a stalled elevator"),
    "colour": pick("black", "white", "silver", "red", "blue", "green", "grey", "brown"),
    "car": pick("pickup truck", "sedan", "van", "motorcycle", "station wagon", "minivan",
                "box truck", "sport utility"),
    "direction": pick("northbound", "southbound", "eastbound", "westbound"),
}  # fmt: skip

GRAMMAR = Grammar(
    kinds=("unit", "street", "landmark"),
    values=VALUES,
    as_spoken=AS_SPOKEN,
    radio_digits={"nine": "niner"},
    radio_digit_share=0.15,
    told=("unit", "street", "landmark"),
    listed=("street", "unit"),
    listed_share=0.6,
    context_size=(8, 20),
)
"""Context is what a dispatcher's screen shows: units on duty and streets of the district."""


def read_lexicons(folder: Path) -> dict[str, Lexicon]:
    """Read the tables; returns frames and names by split.

    Raises:
        DataError: a row names an unknown slot, split or kind.
    """
    names = [*_units(), *_streets(folder / "street_words.tsv")]
    names += read_names(folder / "places.tsv", GRAMMAR.kinds)
    return build_lexicons(folder / "frames.tsv", names, GRAMMAR)


def _units() -> Iterator[Name]:
    """Yield engines and cars by number, and beats such as "Two Adam fourteen"."""
    for kind in APPARATUS:
        yield from (Name(f"{kind} {cardinal(n)}", "unit", SPLITS, "") for n in range(1, 25))
    for kind in CRAFT:
        yield from (Name(f"{kind} {digits(n)}", "unit", SPLITS, "") for n in range(203, 480, 23))
    for number, beat in enumerate(BEATS):
        for car in range(number % 3, 30, 3):
            district = cardinal(1 + (number + car) % 6).capitalize()
            yield Name(f"{district} {beat} {cardinal(car + 1)}", "unit", SPLITS, "")


def _streets(path: Path) -> Iterator[Name]:
    words = list(read_rows(path))
    first, second = ([r["word"] for r in words if r["part"] == p] for p in ("first", "second"))
    for name in (f"{one} {other}" for one in first for other in second):
        yield Name(name, "street", (split_of(name, STREET_SHARES),), "")
