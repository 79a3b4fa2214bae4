"""Call signs, numbers and positions as whole units: one wrong digit makes the whole of it wrong.

Floor 3, pure functions. Entities are found by rules on the reference, as written and in words of
the normaliser ``spoken-en`` (single digits, joined letters), never on a hypothesis, so that every
arm is asked for the same ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from asr_adapt.scoring.alignment import AlignedWord, intruder, number_goes_on
from asr_adapt.scoring.score_records import EntityCounts
from asr_adapt.scoring.terms import Phrase
from asr_adapt.words.spoken_words import LETTERS, TEENS, TENS, UNITS_OF_TEN

NORMALISER = "spoken-en"
"""The normaliser whose words the rules are written for."""

KINDS = ("position", "call sign", "frequency", "heading", "number")
"""Of two kinds that fit the same words, the earlier one counts."""

FEWEST_SIGNS = 3
"""A spelled run shorter than this is a letter or a waypoint, not a call sign."""

_DIGITS = frozenset("0123456789")
_NUMERALS = frozenset([*UNITS_OF_TEN, *TEENS, *TENS])
_HEADINGS = frozenset({"heading", "course", "bearing"})
_LABELS = frozenset({"channel", "runway", "flight", "level", "qnh", "squawk", "frequency"})
_LINKS = frozenset({"is", "of", "to", "on"})
_MEASURES = frozenset(
    "degrees minutes seconds hours meter meters mile miles knot knots foot feet".split()  # noqa: SIM905
)
_MEASURES_OF_FREQUENCY = frozenset({"megahertz", "kilohertz"})

_NUMBER = r"(?:\d )+(?:decimal (?:\d )+)?"
_ANGLE = rf"{_NUMBER}degrees (?:{_NUMBER}minutes )?(?:{_NUMBER}seconds )?(?:north|south|east|west) "
_POSITION = re.compile(rf"(?<!\S){_ANGLE}(?:(?:and )?{_ANGLE})?")
_RUN_OF_DIGITS = re.compile(r"(?<!\S)(?:\d )+(?:decimal (?:\d )+)*")
_ONE = re.compile(r"(?<!\S)1\b")
_AIR_OR_SEA = re.compile(r"1 \d \d decimal ")

_PIECES = re.compile(r"[^\W_]+|[^\w\s]")
_CODE = re.compile(r"(?=.*\d)[^\W\d_][^\W_]*|\d+[^\W\d_]+\d[^\W_]*")


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A stretch of normalised reference words, ``start`` to before ``end``, and its kind."""

    start: int
    end: int
    kind: str


def find_entities(
    reference: str,
    words: Sequence[str],
    normalise: Callable[[str], str],
    phrases: Iterable[tuple[int, Phrase]] = (),
) -> tuple[Entity, ...]:
    """Find the entities of a reference, in the order they are said, without overlap.

    Each is the longest run that fits its rule:

    - position: an angle with its hemisphere, or two that follow each other.
    - call sign: words of the spelling alphabet, with or without digits ("Delta Five Kilo"), codes
      of letters and figures ("D5KA"), three signs at least; or a listed phrase with a digit that
      begins with a word ("Speedbird four two").
    - frequency: three digits from 1 and a decimal without another unit, or behind "frequency".
    - heading: one to three digits behind heading, course or bearing, or three before degrees.
    - number: any other digits, with their decimals; a lone "one" is a pronoun unless it is
      written as a figure, labelled or measured ("channel one", "one mile").

    Args:
        reference: the text as written.
        words: the same, normalised by ``spoken-en``.
        normalise: that normaliser.
        phrases: listed phrases said, with the places where they start.
    """
    text = "".join(f"{word} " for word in words)
    found = [
        *_positions(text),
        *_listed_signs(phrases),
        *_spelled_signs(reference, words, normalise),
        *_numbers(text, words, reference),
    ]
    kept: list[Entity] = []
    claimed: set[int] = set()
    for entity in sorted(found, key=lambda each: (KINDS.index(each.kind), each.start, -each.end)):
        place = set(range(entity.start, entity.end))
        if not place & claimed:
            kept.append(entity)
            claimed |= place
        elif entity.kind not in ("position", "call sign"):
            kept += _rest(entity, claimed, words)
            claimed |= place
    return tuple(sorted(kept))


def count_entities(
    columns: Sequence[AlignedWord], entities: Iterable[Entity]
) -> tuple[EntityCounts, ...]:
    """Count per kind how many entities were heard exactly.

    An entity is right if the columns from its first to its last word are all hits and no digit,
    decimal or (call signs) single letter was heard right before or behind it in place of
    something else: "1 6 6" is not "1 6".
    """
    places = [i for i, column in enumerate(columns) if column.kind != "ins"]
    said: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for entity in entities:
        said[entity.kind] += 1
        first, last = places[entity.start], places[entity.end - 1]
        whole = all(column.kind == "hit" for column in columns[first : last + 1])
        longer = any(_sticks(columns, i, entity.kind) for i in (first - 1, last + 1))
        right[entity.kind] += whole and not longer
    return tuple(EntityCounts(kind, right[kind], said[kind]) for kind in KINDS if said[kind])


def _sticks(columns: Sequence[AlignedWord], i: int, kind: str) -> bool:
    word = intruder(columns, i)
    letter = kind == "call sign" and len(word) == 1 and word.isalpha() and word not in "ai"
    return letter or number_goes_on(columns, i)


def _is_digit(word: str) -> bool:
    return word in _DIGITS


def _places(text: str, match: re.Match[str]) -> tuple[int, int]:
    """Turn the characters of a match into word numbers; every word ends with one space."""
    start = text.count(" ", 0, match.start())
    return start, start + match.group().count(" ")


def _positions(text: str) -> Iterator[Entity]:
    for match in _POSITION.finditer(text):
        yield Entity(*_places(text, match), "position")


def _listed_signs(phrases: Iterable[tuple[int, Phrase]]) -> Iterator[Entity]:
    for start, phrase in phrases:
        labelled = _is_digit(phrase[0]) or phrase[0] in _LABELS | _HEADINGS
        if not labelled and any(map(_is_digit, phrase)):
            yield Entity(start, start + len(phrase), "call sign")


def _numbers(text: str, words: Sequence[str], reference: str) -> Iterator[Entity]:
    figure = _ONE.search(reference) is not None
    for match in _RUN_OF_DIGITS.finditer(text):
        start, end = _places(text, match)
        beside = {*words[max(0, start - 1) : start], *words[end : end + 1]}
        if match.group() != "1 " or figure or beside & (_LABELS | _MEASURES):
            yield Entity(start, end, _kind_of_number(words, start, end, match.group()))


def _kind_of_number(words: Sequence[str], start: int, end: int, digits: str) -> str:
    before = [word for word in words[max(0, start - 3) : start] if word not in _LINKS][-1:]
    after = words[end] if end < len(words) else ""
    whole = "decimal" not in digits
    tuned = _AIR_OR_SEA.match(digits) and after not in _MEASURES
    if tuned or before == ["frequency"] or after in _MEASURES_OF_FREQUENCY:
        return "frequency"
    led = bool(before) and before[0] in _HEADINGS and end - start <= 3
    if whole and (led or (after == "degrees" and end - start == 3)):
        return "heading"
    return "number"


def _rest(entity: Entity, claimed: set[int], words: Sequence[str]) -> Iterator[Entity]:
    """Give the digits of a number that no other entity claims, as numbers."""
    run: list[int] = []
    for i in range(entity.start, entity.end + 1):
        if i < entity.end and i not in claimed:
            run.append(i)
        elif run:
            if any(_is_digit(words[k]) for k in run):
                yield Entity(run[0], run[-1] + 1, "number")
            run = []


def _spelled_signs(
    reference: str, words: Sequence[str], normalise: Callable[[str], str]
) -> Iterator[Entity]:
    cursor = 0
    for run in _spelled_runs(reference):
        sign = normalise(" ".join(run)).split()
        if not sign or sum(map(len, sign)) < FEWEST_SIGNS or not _stayed_signs(sign, run):
            continue
        found = _find(words, sign, cursor)
        if found is not None:
            cursor = found + len(sign)
            yield Entity(found, cursor, "call sign")


def _spelled_runs(reference: str) -> Iterator[list[str]]:
    """Yield runs of spelled letters, digits and codes, cut where a sentence or a sign ends."""
    run: list[str] = []
    for piece in [*_PIECES.findall(reference), "."]:
        kind = _piece_kind(piece)
        if kind == "sign":
            run.append(piece)
        elif kind == "end" or (kind == "comma" and _can_end(run)):
            if any(map(_letters, run)):
                yield run
            run = []


def _piece_kind(piece: str) -> str:
    if piece.lower() in LETTERS or piece.lower() in _NUMERALS or piece.isdigit():
        return "sign"
    if _CODE.fullmatch(piece):
        return "sign"
    return {",": "comma", "-": "hyphen"}.get(piece, "end")


def _can_end(run: Sequence[str]) -> bool:
    """Tell whether a comma may end a run: "16, Delta Five Kilo, out", but not "Delta, Five"."""
    return len(run) >= FEWEST_SIGNS or not any(map(_letters, run)) or bool(_CODE.match(run[-1]))


def _stayed_signs(sign: Sequence[str], run: Sequence[str]) -> bool:
    """Tell whether normalising left letters and digits: "FL120" becomes words, no call sign."""
    letters = "".join(word for word in sign if not _is_digit(word))
    return letters == "".join(map(_letters, run))


def _letters(piece: str) -> str:
    word = piece.lower()
    if word in _NUMERALS:
        return ""
    return LETTERS.get(word) or "".join(filter(str.isalpha, word))


def _find(words: Sequence[str], wanted: Sequence[str], cursor: int) -> int | None:
    places = range(cursor, len(words) - len(wanted) + 1)
    return next((i for i in places if list(words[i : i + len(wanted)]) == list(wanted)), None)
