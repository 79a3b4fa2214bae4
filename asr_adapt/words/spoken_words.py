"""The words that the normaliser for radio and telephone English treats specially.

Floor 1, data only; `numerals` and `spoken` read it. A single word that stands here is *reserved*:
spelled letters are never joined into one ("uniform hotel" must not become the filler "uh").
"""

from __future__ import annotations

SPELLED_MARK = "^"
"""Put before letters of the spelling alphabet or glued to digits, until they are joined."""

# ICAO Annex 10 vol. II 5.2.1.3 and ITU Radio Regulations appendix 14, with common spellings.
LETTERS = {
    "alpha": "a",
    "alfa": "a",
    "bravo": "b",
    "charlie": "c",
    "delta": "d",
    "echo": "e",
    "foxtrot": "f",
    "golf": "g",
    "hotel": "h",
    "india": "i",
    "juliet": "j",
    "juliett": "j",
    "juliette": "j",
    "kilo": "k",
    "lima": "l",
    "mike": "m",
    "november": "n",
    "oscar": "o",
    "papa": "p",
    "quebec": "q",
    "romeo": "r",
    "sierra": "s",
    "tango": "t",
    "uniform": "u",
    "victor": "v",
    "whiskey": "w",
    "whisky": "w",
    "xray": "x",
    "yankee": "y",
    "zulu": "z",
}


def _list(words: str) -> list[str]:
    return words.split()


_ONES = _list("zero one two three four five six seven eight nine")
_TEENS = _list("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _list(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)

# The code words of ITU appendix 14 and the pronunciations of ICAO 5.2.1.4.3 as people write them.
UNITS_OF_TEN = {
    **{word: value for value, word in enumerate(_ONES)},
    "wun": 1,
    "fower": 4,
    "niner": 9,
    "nadazero": 0,
    "unaone": 1,
    "bissotwo": 2,
    "terrathree": 3,
    "kartefour": 4,
    "pantafive": 5,
    "soxisix": 6,
    "setteseven": 7,
    "oktoeight": 8,
    "novenine": 9,
}
DIGITS_NEXT_TO_DIGITS = {"tree": 3, "fife": 5, "ait": 8}
"""Radio pronunciations that are also ordinary words or names: digits only beside another number."""

TEENS = {word: value for value, word in enumerate(_TEENS, start=10)}
TENS = {word: value for value, word in enumerate(_TENS, start=2)} | {"fourty": 4}
MULTIPLIERS = {"hundred": 100, "thousand": 1000, "tousand": 1000, "million": 1_000_000}
REPEATS = {"double": 2, "triple": 3}
ORDINALS = {
    **{word: value for value, word in enumerate(_ORDINALS, start=1)},
    **{word[:-1] + "ieth": 10 * value for value, word in enumerate(_TENS, start=2)},
}
DECADES = {word[:-1] + "ies": f"{value}0 s" for value, word in enumerate(_TENS, start=2)}

FILLERS = frozenset(_list("uh uhh uhm um umm er erm hmm mhm mmm"))

# One spelling for what one says, for whole words. Values may be several words.
WORDS = {
    **DECADES,
    # Contractions that lost their apostrophe and mean nothing else.
    "aint": "is not",
    "arent": "are not",
    "cannot": "can not",
    "cant": "can not",
    "couldnt": "could not",
    "didnt": "did not",
    "doesnt": "does not",
    "dont": "do not",
    "hadnt": "had not",
    "hasnt": "has not",
    "havent": "have not",
    "im": "i am",
    "isnt": "is not",
    "ive": "i have",
    "shouldnt": "should not",
    "thats": "that is",
    "theyre": "they are",
    "theyve": "they have",
    "wasnt": "was not",
    "werent": "were not",
    "weve": "we have",
    "wouldnt": "would not",
    "youre": "you are",
    "youve": "you have",
    "dunno": "do not know",
    "gimme": "give me",
    "gonna": "going to",
    "gotta": "got to",
    "wanna": "want to",
    # Titles, as in Whisper's normaliser (Radford et al. 2022, arXiv 2212.04356, appendix C).
    "capt": "captain",
    "dr": "doctor",
    "lt": "lieutenant",
    "mr": "mister",
    "mrs": "missus",
    "prof": "professor",
    "st": "saint",
    # Procedure words of the radio, and abbreviations that are read as the word.
    "ok": "okay",
    "percent": "percent",
    "feenee": "fini",
    "prudonce": "prudence",
    "rwy": "runway",
    "securitay": "securite",
    "securitee": "securite",
    "securitey": "securite",
    "seelonce": "silence",
}

PHRASES = {
    "call sign": "callsign",
    "fox trot": "foxtrot",
    "may day": "mayday",
    "motor vessel": "mv",
    "pan pan": "panpan",
    "per cent": "percent",
    "stand by": "standby",
    "take off": "takeoff",
    "x ray": "xray",
    **{
        f"{one} {other}{ending}": f"{one}{other}{ending}"
        for one in ("north", "south")
        for other in ("east", "west")
        for ending in ("", "erly", "ern")
    },
}

UNITS = {
    "deg": "degrees",
    "degree": "degrees",
    "dollar": "dollars",
    "euro": "euros",
    "feet": "feet",
    "foot": "feet",
    "ft": "feet",
    "hour": "hours",
    "hr": "hours",
    "hrs": "hours",
    "hz": "hertz",
    "khz": "kilohertz",
    "kilogram": "kilograms",
    "kg": "kilograms",
    "kilometer": "kilometers",
    "km": "kilometers",
    "kn": "knots",
    "knot": "knots",
    "kt": "knots",
    "kts": "knots",
    "meter": "meters",
    "mhz": "megahertz",
    "mile": "miles",
    "min": "minutes",
    "mins": "minutes",
    "minute": "minutes",
    "nm": "nautical miles",
    "pound": "pounds",
    "sec": "seconds",
    "secs": "seconds",
}
"""After a number only: one form for "1 nm", "1 nautical mile" and "one nautical mile"."""

COMPASS = {"n": "north", "s": "south", "e": "east", "w": "west"}

# Said letter by letter; needed only to tell the article from a letter in "a v t s".
ACRONYMS = frozenset(
    _list(
        "ais atc atis cpa dsc epirb eta etd gmdss gps ifr ils imo mmsi mob qfe qnh rcc rib rov sar"
        " sart tcpa tss uhf utc vfr vhf vor vts"
    )
)

RESERVED = frozenset(
    [
        *LETTERS,
        *UNITS_OF_TEN,
        *DIGITS_NEXT_TO_DIGITS,
        *TEENS,
        *TENS,
        *MULTIPLIERS,
        *REPEATS,
        *ORDINALS,
        *FILLERS,
        *WORDS,
        *UNITS,
        *("oh", "point", "decimal", "and", "ch", "fl", "mile"),
        *(word for phrase in PHRASES for word in phrase.split()),
    ]
)
