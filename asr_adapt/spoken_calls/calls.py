"""Radio calls as text: frames with slots, filled with names and numbers as spoken in a trade.

Reads tables (tab-separated, with a header) and a `Grammar`; `data` has the calls spoken. Refuses
(DataError) frames with unknown slots and rows of unknown splits. Same seed, same calls.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr_adapt.errors import DataError
from asr_adapt.spoken_calls.numbers import Draw

SPLITS = ("train", "dev", "test")

_SLOT = re.compile(r"\{(other_)?([a-z]+)\}")
_WORD = re.compile(r"[A-Za-z-]+")
_CLAUSE = re.compile(r"(?<=[,.?!]) ")


@dataclass(frozen=True, slots=True)
class Frame:
    """A sentence with slots, such as ``{station}, this is {ship}, over.``."""

    frame_id: str
    topic: str
    split: str
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A proper name, with a respelling for voices where they would misread it."""

    text: str
    kind: str
    splits: tuple[str, ...]
    say: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        frame: what it was made from.
        reference: what was said, as words in the spelling of a transcript.
        spoken: what a voice is given to read.
        names: the names that are said and told.
        context: those and others of their kinds, shuffled, as a screen would list them.
    """

    frame: Frame
    reference: str
    spoken: str
    names: tuple[str, ...]
    context: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a trade speaks.

    Attributes:
        kinds: slots that hold names.
        values: every other slot, with a draw of what it holds.
        as_spoken: words that voices misread, in a spelling that makes them say the right thing.
        radio_digits: digits as this trade may pronounce them, by their ordinary word.
        radio_digit_share: share of the calls that are spoken so; the reference keeps the digit.
        told: kinds that are known before the call and stand in its context.
        listed: kinds that fill the context up; the first has ``listed_share`` of it.
        listed_share: share of the first of them; the others have equal parts of the rest.
        context_size: fewest and most phrases of a context.
        spliced_share: share of the calls to train on that `splice` puts together.
    """

    kinds: tuple[str, ...]
    values: Mapping[str, Draw]
    as_spoken: Mapping[str, str]
    radio_digits: Mapping[str, str]
    radio_digit_share: float
    told: tuple[str, ...]
    listed: tuple[str, ...]
    listed_share: float
    context_size: tuple[int, int]
    spliced_share: float = 0.3


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All frames and names of one split."""

    frames: tuple[Frame, ...]
    names: Mapping[str, tuple[Name, ...]]

    def known_names(self) -> tuple[str, ...]:
        """Return the names that other splits have too."""
        return tuple(n.text for names in self.names.values() for n in names if len(n.splits) > 1)

    def unheard_names(self) -> tuple[str, ...]:
        """Return the names that no other split has."""
        return tuple(n.text for names in self.names.values() for n in names if len(n.splits) == 1)


def build_lexicons(
    frames_table: Path, names: Iterable[Name], grammar: Grammar
) -> dict[str, Lexicon]:
    """Sort frames and names by split.

    Args:
        frames_table: columns frame_id, topic, split, text.
        names: of all splits.
        grammar: its slots are allowed in frames.

    Returns:
        By split, its frames and its names by kind.

    Raises:
        DataError: a row names an unknown slot or split.
    """
    frames, listed = list(_read_frames(frames_table, grammar)), list(names)
    return {
        split: Lexicon(
            tuple(frame for frame in frames if frame.split == split),
            {
                kind: tuple(n for n in listed if n.kind == kind and split in n.splits)
                for kind in grammar.kinds
            },
        )
        for split in SPLITS
    }


def read_names(path: Path, kinds: tuple[str, ...]) -> Iterator[Name]:
    """Yield the names of a table with the columns name, kind, say and perhaps split.

    Without the column, or with ``all`` in it, a name is in every split.

    Raises:
        DataError: a kind or split is unknown.
    """
    for row in read_rows(path):
        if row["kind"] not in kinds:
            raise DataError(f"{path}: '{row['name']}': unknown kind '{row['kind']}'")
        split = row.get("split", "all")
        if split not in (*SPLITS, "all"):
            raise DataError(f"{path}: '{row['name']}': unknown split '{split}'")
        splits = SPLITS if split == "all" else (split,)
        yield Name(row["name"], row["kind"], splits, row["say"])


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_split_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table whose every row is of one split.

    Raises:
        DataError: a row is of an unknown split.
    """
    for row in read_rows(path):
        if row["split"] not in SPLITS:
            raise DataError(f"{path}: split '{row['split']}' is none of {', '.join(SPLITS)}")
        yield row


def split_of(name: str, shares: Mapping[str, int]) -> str:
    """Return the split of a made name: a matter of the name alone.

    Args:
        name: the name.
        shares: per cent of all names that dev and test get; the rest is trained on.
    """
    place = zlib.crc32(name.encode()) % 100
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return "train"


def make_calls(
    lexicon: Lexicon, grammar: Grammar, count: int, seed: int, spliced_share: float = 0.0
) -> list[Call]:
    """Make calls that use every frame about equally often.

    The same seed gives the same calls, and a larger count the same ones and more.

    Args:
        lexicon: frames and names of one split.
        grammar: how the trade speaks.
        count: how many calls.
        seed: of all draws.
        spliced_share: share of calls that begin as one frame and end as another, so that who
            trains on them cannot learn whole sentences by heart.
    """
    order = np.random.default_rng((seed, 0))
    frames: list[Frame] = []
    while len(frames) < count:
        frames += [lexicon.frames[i] for i in order.permutation(len(lexicon.frames))]
    calls = []
    for index, frame in enumerate(frames[:count]):
        rng = np.random.default_rng((seed, 1, index))
        if spliced_share and rng.random() < spliced_share:
            frame = splice(frame, lexicon.frames[rng.integers(len(lexicon.frames))], rng)
        calls.append(make_call(frame, lexicon, grammar, rng))
    return calls


def splice(first: Frame, second: Frame, rng: np.random.Generator) -> Frame:
    """Return a frame that begins as one and goes on as another, each cut between two clauses."""
    heads, tails = _CLAUSE.split(first.text), _CLAUSE.split(second.text)
    head = " ".join(heads[: int(rng.integers(1, len(heads) + 1))]).rstrip(",.?!")
    tail = " ".join(tails[int(rng.integers(len(tails))) :])
    text = f"{head}{'. ' if tail[0].isupper() else ', '}{tail}"
    return Frame(f"{first.frame_id}+{second.frame_id}", first.topic, first.split, text)


def make_call(frame: Frame, lexicon: Lexicon, grammar: Grammar, rng: np.random.Generator) -> Call:
    """Fill a frame with names and numbers and surround the names with others."""
    written: dict[str, str] = {}
    spoken: dict[str, str] = {}
    names: list[Name] = []
    digits = grammar.radio_digits if rng.random() < grammar.radio_digit_share else {}
    for other, slot in dict.fromkeys(_SLOT.findall(frame.text)):
        key = f"{other}{slot}"
        if slot in grammar.kinds:
            name = _draw_name(lexicon.names[slot], names, rng)
            names.append(name)
            written[key], spoken[key] = name.text, name.say or _say_digits(name.text, digits)
        else:
            written[key] = _draw_value(grammar.values[slot], set(written.values()), rng)
            spoken[key] = _say_digits(written[key], digits)
    told = [name.text for name in names if name.kind in grammar.told]
    return Call(
        frame=frame,
        reference=_sentence_case(frame.text.format_map(written)),
        spoken=respell(frame.text.format_map(spoken), grammar.as_spoken),
        names=tuple(told),
        context=_context(told, lexicon, grammar, rng),
    )


def respell(text: str, as_spoken: Mapping[str, str]) -> str:
    """Put words that voices misread into a spelling that they read well."""
    return _WORD.sub(lambda word: as_spoken.get(word.group(), word.group()), text)


def _read_frames(path: Path, grammar: Grammar) -> Iterator[Frame]:
    for row in read_split_rows(path):
        frame = Frame(row["frame_id"], row["topic"], row["split"], row["text"])
        slots = {slot for _, slot in _SLOT.findall(frame.text)}
        unknown = sorted(slots - grammar.values.keys() - set(grammar.kinds))
        if unknown or re.search(r"[{}]", _SLOT.sub("", frame.text)):
            raise DataError(f"{path}: frame '{frame.frame_id}': unknown slot {', '.join(unknown)}")
        yield frame


def _draw_name(names: tuple[Name, ...], taken: list[Name], rng: np.random.Generator) -> Name:
    texts = {name.text for name in taken}
    while True:
        name = names[rng.integers(len(names))]
        if name.text not in texts:
            return name


def _draw_value(draw: Draw, taken: set[str], rng: np.random.Generator) -> str:
    while True:
        value = draw(rng)
        if value not in taken:
            return value


def _context(
    names: list[str], lexicon: Lexicon, grammar: Grammar, rng: np.random.Generator
) -> tuple[str, ...]:
    """Surround the names said with others of the kinds that are listed."""
    low, high = grammar.context_size
    size = int(rng.integers(low, high + 1))
    phrases = dict.fromkeys(names)
    first, *others = grammar.listed
    while len(phrases) < size:
        main = rng.random() < grammar.listed_share or not others
        kind = first if main else others[rng.integers(len(others))]
        pool = lexicon.names[kind]
        phrases[pool[rng.integers(len(pool))].text] = None
    listed = list(phrases)
    return tuple(listed[i] for i in rng.permutation(len(listed)))


def _sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]


def _say_digits(text: str, radio_digits: Mapping[str, str]) -> str:
    return " ".join(radio_digits.get(word, word) for word in text.split(" "))
