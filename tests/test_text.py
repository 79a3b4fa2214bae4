"""Normalisers: one content, one form, whatever the style; different content stays different."""

from __future__ import annotations

import random
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisper_normalizer.basic import BasicTextNormalizer

from asr_adapt.errors import UsageError
from asr_adapt.words.spoken_words import (
    COMPASS,
    COMPOUND_NOUNS,
    COMPOUNDS,
    FILLERS,
    LETTERS,
    ORDINALS,
    RESERVED,
    UNITS,
    UNITS_OF_TEN,
)
from asr_adapt.words.text import get_normaliser, normaliser_for

spoken = get_normaliser("spoken-en")

SAME = [
    # digits and decimals
    ("118.1", "one one eight decimal one"),
    ("118.1", "1 1 8 point 1"),
    ("118.1", "one eighteen point one"),
    ("Contact Tower on 118.105.", "contact tower on one one eight decimal one zero five"),
    ("120", "one hundred and twenty"),
    ("120", "one twenty"),
    ("12", "twelve"),
    ("25", "twenty five"),
    ("25", "twenty-five"),
    ("2,500 feet", "two thousand five hundred feet"),
    ("2500", "2 thousand 5 hundred"),
    ("1,500", "fifteen hundred"),
    ("1500", "one thousand five hundred"),
    ("12,000", "one two thousand"),
    ("12,500", "one two thousand five hundred"),
    ("100", "a hundred"),
    ("1,000", "a thousand"),
    ("250,000", "two hundred and fifty thousand"),
    ("3,000,000", "three million"),
    ("1.5 million", "one point five million"),
    ("2024", "two thousand twenty four"),
    ("1995", "nineteen ninety five"),
    ("15:30", "one five three zero"),
    ("15:30", "fifteen thirty"),
    ("0800 hrs", "zero eight hundred hours"),
    ("105", "one oh five"),
    ("1005", "one oh oh five"),
    ("55", "double five"),
    ("222 7", "triple two seven"),
    ("395", "tree niner fife"),
    ("4", "fower"),
    ("16", "unaone soxisix"),
    ("0.5", "zero decimal five"),
    ("192.168", "one nine two decimal one six eight"),
    ("270 1000 feet", "two seven zero one thousand feet"),
    ("2000 118.1", "two thousand one one eight decimal one"),
    ("the 60s", "the sixties"),
    ("the 1960's", "the nineteen sixties"),
    ("17s", "seventeens"),
    ("Speedbird 60S", "speedbird six zero sierra"),
    ("-5", "minus five"),
    # ordinals
    ("1st", "first"),
    ("the 12th", "the twelfth"),
    ("21st", "twenty first"),
    ("25th", "twenty-fifth"),
    ("105th", "one hundred and fifth"),
    # the spelling alphabet and call signs
    ("Alfa Juliett X-ray", "alpha juliet x ray"),
    ("Whiskey", "whisky"),
    ("D5K", "delta five kilo"),
    ("d 5 k", "Delta-Five-Kilo"),
    ("PA3XYZ", "papa alpha tree x-ray yankee zulu"),
    ("PA3XYZ", "Papa Alpha 3 XYZ"),
    ("PA3UH", "papa alpha three uniform hotel"),
    ("PA3NM", "papa alpha three november mike"),
    ("KLM12A", "kilo lima mike one two alpha"),
    ("Lufthansa 4CT", "lufthansa four charlie tango"),
    ("information D", "information delta"),
    ("on a V.T.S. channel", "on a v t s channel"),
    ("VTS", "v t s"),
    ("VTS Alpha", "v t s alpha"),
    ("E.T.A. 12:00", "eta one two zero zero"),
    ("the AIS", "the a i s"),
    # the sea
    ("Sécurité, sécurité, sécurité!", "securitay securite securitee"),
    ("MAYDAY", "may day"),
    ("PAN-PAN, PAN-PAN, PAN-PAN", "pan pan pan pan pan pan"),
    ("M/V Aurora", "motor vessel aurora"),
    ("Ch. 16", "channel one six"),
    ("ch16", "channel sixteen"),
    ("5 NM", "five nautical miles"),
    ("1 nm", "one nautical mile"),
    ("12.5 kn", "twelve decimal five knots"),
    ("draught 7.5m", "draft seven point five metres"),
    ("12 m", "one two meters"),
    ("270º", "two seven zero degrees"),
    ("270°", "270 degrees"),
    ("51° 54.5' N", "five one degrees five four decimal five minutes north"),
    ("51°32'N 001°20'W", "5 1 degrees 3 2 minutes north 0 0 1 degrees 2 0 minutes west"),
    (
        "54 degrees 10 minutes N, 7 degrees 52 minutes E",
        "54 degrees ten minutes north seven degrees 52 minutes east",
    ),
    ("12.5 degrees N 1.5 degrees W", "one two decimal 5 degrees north one decimal 5 degrees west"),
    ("North-East of the buoy, north-westerly 6", "northeast of the buoy, northwesterly six"),
    ("Call sign D5K, stand by", "callsign delta five kilo standby"),
    ("D5K, I am on channel 16", "Delta Five Kilo, I'm on channel one six"),
    ("D5K, a vessel", "delta five kilo a vessel"),
    ("I, V.T.S., see", "i v t s see"),
    ("SEELONCE FEENEE", "silence fini"),
    # the air
    ("Runway 27L", "runway two seven left"),
    ("27L", "two seven left"),
    ("runway 9C", "runway nine center"),
    ("FL350", "flight level three five zero"),
    ("QNH 1013", "q n h one zero one three"),
    ("10 kts", "one zero knots"),
    ("at 0630", "at oh six thirty"),
    ("0800 hours", "oh eight hundred hours"),
    ("until 0915 hrs", "until oh nine fifteen hours"),
    ("runway 05", "runway oh five"),
    ("heading 050", "heading oh five zero"),
    # the street
    ("2100 Main St", "twenty one hundred main street"),
    ("1st St. and Martin Luther King Dr.", "first street and martin luther king drive"),
    ("Main St at Oak Ave, St. Mary Hospital", "main street at oak avenue saint mary hospital"),
    ("Dr. Smith on Hwy 9", "doctor smith on highway nine"),
    ("Take him to the ER now", "take him to the emergency room now"),
    ("Take him to the E.R.", "take him to the emergency room"),
    # everyday English
    ("Don't. I can't!", "do not i cannot"),
    ("It's John\u2019s, isn't it?", "it is johns is not it"),
    ("We'll", "we will"),
    ("dont", "don't"),
    ("Uh, say again?", "say again"),
    ("[static] over (laughs) <noise>", "over"),
    ("50%", "fifty per cent"),
    ("$20", "twenty dollars"),
    ("$2 million", "two million dollars"),
    ("Grey harbour", "gray harbor"),
    ("St. Mary", "saint mary"),
    ("OK", "okay"),
    ("O.K., go", "okay go"),
    ("You'll see what's there; it won't", "youll see whats there it wont"),
    ("He re-entered the non-stop", "he reentered the nonstop"),
    ("Tea & coffee", "tea and coffee"),
    ("Smørbrød", "smorbrod"),
    ("ＦＵＬＬ　ｗｉｄｔｈ　１２", "full width one two"),  # noqa: RUF001
]

DIFFERENT = [
    ("118.1", "1181"),
    ("118.1", "118.7"),
    ("15", "50"),
    ("fifteen", "fifty"),
    ("2500", "2005"),
    ("100", "1000"),
    ("two hundred and one hundred", "two hundred and one"),
    ("12", "12th"),
    ("first", "one"),
    ("1O5", "105"),
    ("oh", "zero"),
    ("oh say", "say"),
    ("oh five miles", "zero five miles"),
    ("oh twenty dollars", "zero two zero dollars"),
    ("Oscar Kilo", "okay"),
    ("ten minutes, Sierra Five Kilo", "ten minutes south five kilo"),
    ("the doctor", "the drive"),
    ("er, the", "emergency room the"),
    ("tree", "three"),
    ("Fife Ness", "five ness"),
    ("point five", "decimal five"),
    ("D5K", "D5J"),
    ("PA3XYZ", "PA3XZY"),
    ("delta five mike", "delta five metres"),
    ("PA3NM", "PA3 nautical miles"),
    ("alpha bravo", "bravo alpha"),
    ("uniform hotel", "uh"),
    ("oscar november echo", "one"),
    ("VTS", "VHF"),
    ("pan", "pan pan"),
    ("security", "securite"),
    ("left", "right"),
    ("27L", "27R"),
    ("27L", "27"),
    ("port", "starboard"),
    ("can", "can not"),
    ("affirm", "affirmative"),
    ("north", "south"),
    ("5 knots", "5 nautical miles"),
    ("minutes", "minutes north"),
    ("a vessel", "vessel"),
    ("the", "a"),
    ("channel 12", "channel 2"),
    ("double", "5 5"),
    ("Maria", "Marina"),
]


@pytest.mark.parametrize(("written", "said"), SAME)
def test_written_and_spoken_style_come_out_the_same(written: str, said: str) -> None:
    assert spoken(written) == spoken(said)
    assert spoken(said.upper()) == spoken(said)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_content_stays_different(one: str, other: str) -> None:
    assert spoken(one) != spoken(other)


def test_a_plural_of_a_number_is_one_word_as_an_ordinal_is() -> None:
    assert spoken("In the nineteen sixties, the 16th") == "in the 1 9 60s the 16th"


def test_the_form_is_single_digits_and_joined_letters() -> None:
    heard = spoken("Mayday! PA3XYZ, 2.5 NM off VTS sector B, Ch. 16")
    assert heard == "mayday pa 3 xyz 2 decimal 5 nautical miles off vts sector b channel 1 6"


@given(st.text(max_size=60))
def test_any_text_comes_out_clean_and_stays_as_it_came_out(text: str) -> None:
    once = spoken(text)
    assert spoken(once) == once
    assert once == once.lower()
    assert once == " ".join(once.split())
    assert not any(unicodedata.category(c)[0] in "PSC" for c in once)


_BESIDES = (
    "a b i n o s x v t ray nautical mile north runway l 's 'd . - ' $ ° ch fl"
    " at hours main degrees minutes E.R. ER 60s 60S 1917s re-entered a. I, o.k."
    " 27L 12m 5m D5K PA3XYZ 1,500 15:30 118.1 350 05 0 1 1st 12th"
)
_TRICKY = sorted(RESERVED) + _BESIDES.split()


@given(st.lists(st.sampled_from(_TRICKY), max_size=8).map(" ".join))
def test_words_of_the_trade_in_any_order_are_stable(text: str) -> None:
    once = spoken(text)
    assert spoken(once) == once
    assert not [word for word in once.split() if word.isdigit() and len(word) > 1]


_LETTERS = {"alpha": "A", "bravo": "B", "oscar": "O", "hotel": "H", "november": "N", "echo": "E"}
_FIGURES = {"three": "3", "5": "5", "zero": "0"}


@given(st.lists(st.sampled_from([*_LETTERS, *_FIGURES])))
def test_a_call_sign_reads_the_same_spelled_and_written(parts: list[str]) -> None:
    written = "".join(_LETTERS.get(part) or _FIGURES[part] for part in parts)
    if not set(parts) & set(_LETTERS) or not set(parts) & set(_FIGURES):
        return  # letters or figures alone are words and numbers
    assert spoken(written).replace(" ", "") == spoken(" ".join(parts)).replace(" ", "")


_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety"


def _read_out(value: int) -> str:
    """The number in English words, written independently of the normaliser."""
    small, tens = _SMALL.split(), _TENS.split()
    if value < 20:
        return small[value]
    if value < 100:
        return tens[value // 10] + ("-" + small[value % 10] if value % 10 else "")
    if value < 1000:
        rest = " and " + _read_out(value % 100) if value % 100 else ""
        return small[value // 100] + " hundred" + rest
    size, name = (1_000_000, "million") if value >= 1_000_000 else (1000, "thousand")
    below = value % size
    joint = " and " if below < 100 else " "
    return _read_out(value // size) + f" {name}" + (joint + _read_out(below) if below else "")


def test_every_kind_of_number_read_out_is_its_digits() -> None:
    drawn = random.Random(0).sample(range(1300, 1_000_000_000), 1500)  # noqa: S311 - no secret
    numbers = [*range(1300), *drawn]
    wrong = [n for n in numbers if spoken(_read_out(n)) != " ".join(str(n))]
    assert not wrong
    assert all(spoken(f"{n:,}") == " ".join(str(n)) for n in numbers)


def test_a_number_of_any_length_does_no_harm() -> None:
    assert spoken("9" * 9000 + " thousand").startswith("9 9 9")
    assert spoken("million " * 5000).split() == ["million"] * 5000


def test_raw_evens_out_white_space_only() -> None:
    assert get_normaliser("raw")(" A \t 118.1,\n b ") == "A 118.1, b"


def test_whisper_is_whispers_own_with_its_known_faults() -> None:
    whisper = get_normaliser("whisper-en")
    assert whisper("Don't, uh, go to the colour!") == "do not go to the color"
    # Why the domain normaliser exists: one frequency, two forms.
    assert whisper("one one eight decimal one") == "118 decimal one"
    assert whisper("118.1") != whisper("one one eight decimal one")


@given(st.text(max_size=40))
def test_whisper_takes_any_text(text: str) -> None:
    get_normaliser("whisper-en")(text)


basic = get_normaliser("basic")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Er, der Papa, ist im Hotel «Zürich».", "er der papa ist im hotel zürich"),
        ("C\u2019est l\u2019été à Genève…", "c est l été à genève"),
        ("Řekni to (ještě) jednou!", "řekni to jednou"),
        ("नमस्ते, दुनिया।", "नमस्ते दुनिया"),
        ("안녕하세요, 여러분.", "안녕하세요 여러분"),
        ("第3泊位。", "第 3 泊 位"),
        ("VTSです", "vts で す"),
        ("ที่นี่", "ที่ นี่"),
    ],
)
def test_words_of_other_languages_stay_whole(written: str, words: str) -> None:
    assert basic(written) == words
    assert basic(unicodedata.normalize("NFD", written)) == words


@given(st.text(max_size=60))
def test_any_text_in_any_language_stays_as_it_came_out(text: str) -> None:
    once = basic(text)
    assert once == " ".join(once.split())
    assert basic(once) == once
    assert not any(unicodedata.category(c)[0] in "PS" for c in once)


@given(st.text(alphabet="aäéßöñç'\u2019 -.,!?(25)ÀÉÑ", max_size=40))
def test_latin_letters_are_read_as_whisper_itself_reads_them(text: str) -> None:
    assert basic(text) == BasicTextNormalizer()(text).strip()


def test_the_normaliser_is_that_of_the_language() -> None:
    assert normaliser_for("auto", {"en"}) is normaliser_for("auto", ()) is spoken
    assert normaliser_for("auto", {"de"}) is normaliser_for("auto", {"en", "de"}) is basic
    assert normaliser_for("raw", {"de"}) is get_normaliser("raw")
    with pytest.raises(UsageError, match=r"'klingon'.*auto"):
        normaliser_for("klingon", {"de"})


def test_every_normaliser_has_a_name_and_a_version() -> None:
    for name in ("raw", "whisper-en", "spoken-en", "basic"):
        assert get_normaliser(name).name == name
        assert get_normaliser(name).version


def test_an_unknown_normaliser_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'klingon'.*raw, whisper-en, spoken-en, basic"):
        get_normaliser("klingon")


def test_neither_text_nor_score_loads_torch() -> None:
    code = (
        "import sys, asr_adapt.scoring.score, asr_adapt.scoring.loops\n"
        "from asr_adapt.words.text import get_normaliser\n"
        "get_normaliser('spoken-en')('a'); get_normaliser('whisper-en')('a')\n"
        "get_normaliser('basic')('a')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("open_form", [*COMPOUND_NOUNS, *COMPOUNDS])
def test_compounds_are_the_same_however_they_are_written(open_form: str) -> None:
    spoken = get_normaliser("spoken-en")
    closed, hyphened = open_form.replace(" ", ""), open_form.replace(" ", "-")
    assert len(open_form.split()) == 2
    texts = {spoken(f"five {form} six") for form in (open_form, closed, hyphened)}
    assert texts == {spoken(f"five {closed} six")}
    assert spoken(closed).split() == [spoken(closed)]


def test_no_compound_is_made_of_what_means_something_else() -> None:
    parts = {word for form in (*COMPOUND_NOUNS, *COMPOUNDS) for word in form.split()}
    others = {*LETTERS, *UNITS, *UNITS_OF_TEN, *ORDINALS, *COMPASS, *FILLERS}
    assert not parts & others
