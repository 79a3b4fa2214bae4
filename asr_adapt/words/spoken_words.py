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


def _compounds(text: str) -> tuple[str, ...]:
    return tuple(pair.replace("+", " ") for pair in text.split())


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

LEADING = frozenset(
    _list("at bearing channel course eta etd from heading runway since squawk time until")
)
"""Words behind which "oh" and a number is a figure with a leading zero, not a sigh."""

TEENS = {word: value for value, word in enumerate(_TEENS, start=10)}
TENS = {word: value for value, word in enumerate(_TENS, start=2)} | {"fourty": 4}
MULTIPLIERS = {"hundred": 100, "thousand": 1000, "tousand": 1000, "million": 1_000_000}
REPEATS = {"double": 2, "triple": 3}
ORDINALS = {
    **{word: value for value, word in enumerate(_ORDINALS, start=1)},
    **{word[:-1] + "ieth": 10 * value for value, word in enumerate(_TENS, start=2)},
}
PLURALS = {
    **{f"{word}s": f"{value}s" for value, word in enumerate(_TEENS, start=10)},
    **{word[:-1] + "ies": f"{value}0s" for value, word in enumerate(_TENS, start=2)},
}
"""Plurals of numbers, one word each as ordinals are: "sixties" is "60s"."""

FILLERS = frozenset(_list("uh uhh uhm um umm er erm hmm mhm mmm"))

# One spelling for what one says, for whole words. Values may be several words.
WORDS = {
    **PLURALS,
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
    "shes": "she is",
    "shouldnt": "should not",
    "thats": "that is",
    "theres": "there is",
    "theyd": "they would",
    "theyll": "they will",
    "theyre": "they are",
    "theyve": "they have",
    "wasnt": "was not",
    "werent": "were not",
    "weve": "we have",
    "whats": "what is",
    "wont": "will not",
    "wouldnt": "would not",
    "youd": "you would",
    "youll": "you will",
    "youre": "you are",
    "youve": "you have",
    "dunno": "do not know",
    "gimme": "give me",
    "gonna": "going to",
    "gotta": "got to",
    "wanna": "want to",
    # Titles, as in Whisper's normaliser (Radford et al. 2022, arXiv 2212.04356, appendix C).
    "capt": "captain",
    "lt": "lieutenant",
    "mr": "mister",
    "mrs": "missus",
    "prof": "professor",
    "sgt": "sergeant",
    # What stands behind the name of a road, as dispatchers write addresses.
    "ave": "avenue",
    "blvd": "boulevard",
    "hwy": "highway",
    "pkwy": "parkway",
    "rd": "road",
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

TITLES_OR_ROADS = {"dr": ("doctor", "drive"), "st": ("saint", "street")}
"""Read before a name as the first, behind one as the second: "St. Mary", "Main St"."""

NO_NAMES = frozenset(
    _list(
        "a an and are as at between block blocks but by corner cross east for from has have in is"
        " just my near north of off on or our over please south that the their then there this to"
        " toward towards under until was we west where which who will with you your"
    )
)
"""What is no part of a road's name and tells where one ends."""

# Written open or closed, spoken alike; nouns with their plural. Chosen by hand: sea, air, roads,
# telephone and office, and what is common. None holds a number, a unit or a letter's name.
COMPOUND_NOUNS = _compounds(
    "air+craft air+field air+line air+port air+space air+speed air+strip air+way back+ground"
    " back+slash back+space boat+swain break+down break+water bulk+head by+pass by+stander"
    " cat+walk check+list check+point coast+guard coast+line cock+pit copy+right cross+road"
    " cross+wind day+break day+light dead+line dead+weight deck+hand dial+tone dock+side"
    " dock+yard down+draft down+stream draw+bridge drive+way ear+phone eye+witness fair+way"
    " ferry+boat file+name fire+arm fire+boat fire+fighter fire+house fire+man fire+place"
    " flag+ship flash+light flood+gate flood+light fog+horn fore+castle free+way gang+way"
    " gear+box glide+path glide+slope ground+speed gun+fire gun+shot hand+cuff hand+held"
    " hand+rail hand+set hand+shake hatch+way head+count head+light head+line head+phone"
    " head+quarter head+set head+way head+wind high+way house+boat house+hold ice+berg"
    " ice+breaker jet+way key+board key+pad key+word land+fall land+line land+mark land+slide"
    " lay+by life+belt life+boat life+guard life+jacket life+line life+raft light+house"
    " light+ship line+man long+line look+out loud+speaker low+land mail+box main+land"
    " main+sail mid+night mid+ship mid+stream mid+way moon+light motor+bike motor+boat"
    " motor+cycle motor+way name+plate night+fall north+bound note+book out+board out+bound"
    " out+house over+board over+head over+pass paper+work pass+code pass+port pass+word"
    " pay+load phone+book pine+apple pipe+line port+hole post+card post+code post+man"
    " power+boat push+back quay+side rail+road rail+way rain+fall read+back rear+guard"
    " road+block road+side road+way roof+top row+boat run+way sail+boat sand+bank sand+bar"
    " sea+farer sea+man sea+plane sea+port sea+side sea+way sea+weed sea+worthy semi+colon"
    " ship+mate ship+wreck ship+yard shore+line short+cut short+wave side+band side+walk"
    " sign+post slip+way snow+storm south+bound speed+boat star+board step+ladder stop+watch"
    " stow+away sun+rise sun+set tail+gate tail+wind taxi+way tide+way time+stamp time+table"
    " tooth+ache touch+down touch+tone tow+boat trade+mark trip+wire tug+boat turn+pike"
    " under+pass under+score up+draft voice+mail walk+way ward+room ware+house watch+man"
    " watch+tower water+fall water+front water+line water+logged water+way wave+length"
    " way+bill way+point week+day week+end wheel+chair wheel+house winch+man wind+shield"
    " wind+sock work+shop wrist+watch"
)
COMPOUNDS = _compounds(
    "along+side any+body any+thing any+way any+where down+wind east+bound every+body"
    " every+thing every+where full+time her+self him+self in+bound in+shore in+side it+self"
    " lower+case my+self off+line off+shore on+board on+line on+shore on+wards our+selves"
    " out+side over+night some+body some+thing some+times some+where them+selves to+day"
    " to+morrow to+night under+water under+way up+hill up+stream up+wind upper+case west+bound"
    " your+self"
)

PHRASES = {
    **{open_: open_.replace(" ", "") for open_ in (*COMPOUND_NOUNS, *COMPOUNDS)},
    **{f"{open_}s": f"{open_.replace(' ', '')}s" for open_ in COMPOUND_NOUNS},
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
        *TITLES_OR_ROADS,
        *UNITS,
        *("oh", "point", "decimal", "and", "ch", "fl", "mile"),
        *(word for phrase in PHRASES for word in phrase.split()),
    ]
)
