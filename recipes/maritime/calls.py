"""Ship-radio calls as text: frames with slots, filled with names and numbers as spoken at sea.

Reads the tables beside it (``frames.tsv``, ``vessel_words.tsv``, ``vessels.tsv``, ``places.tsv``);
`prepare.py` has the calls spoken. Every frame and every ship belongs to one split, so those of the
test set never occur in training. Places are in all: whoever adapts a recogniser knows the waters,
not the ships that will come. Refuses tables with unknown slots or splits.

The grammar follows the IMO Standard Marine Communication Phrases (Resolution A.918(22)): message
markers, numbers digit by digit, "decimal", three-figure bearings; the wording is ours. Alphabet
and figures as spoken: ITU Radio Regulations, Appendix 14.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from slots import VALUES

from asr_adapt.errors import DataError

SPLITS = ("train", "dev", "test")
KINDS = ("ship", "station", "port", "area")

SEA_DIGITS = {"three": "tree", "five": "fife", "nine": "niner"}
SEA_DIGIT_SHARE = 0.35
"""Share of calls that are spoken with "tree", "fife" and "niner"; the reference keeps the digit."""

AS_SPOKEN = {
    "Securite": "say cure ee tay", "securite": "say cure ee tay", "Seelonce": "see lonce",
    "feenee": "fee nee", "Pan-pan": "pan pan", "pan-pan": "pan pan", "wilco": "will co",
    "racon": "ray con", "UTC": "you tee see", "VTS": "vee tee ess", "ETA": "ee tee ay",
    "AIS": "ay eye ess", "MMSI": "em em ess eye",
}  # fmt: skip
"""Words that voices misread, in the spelling that makes them say the right thing."""

SHIP_SHARES = {"test": 15, "dev": 5}
"""Per cent of the two-word ships that are kept for a split; the rest is trained on. The words of
which they are made recur, as they do in fleets ("Baltic Star", "Baltic Heron")."""

_SLOT = re.compile(r"\{(other_)?([a-z]+)\}")
_WORD = re.compile(r"[A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Frame:
    """A sentence with slots, such as ``{station}, this is {ship}, over.``."""

    frame_id: str
    topic: str
    split: str
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A ship or a place, with a respelling for voices where they would misread it."""

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
        names: ships and places that are said.
        context: those and others in range, shuffled, as on the screen of an AIS receiver.
    """

    frame: Frame
    reference: str
    spoken: str
    names: tuple[str, ...]
    context: tuple[str, ...]


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


def read_lexicons(folder: Path) -> dict[str, Lexicon]:
    """Read the tables.

    Args:
        folder: where they lie.

    Returns:
        By split, its frames and its names by kind.

    Raises:
        DataError: a row names an unknown slot, split or kind.
    """
    frames = list(_read_frames(folder / "frames.tsv"))
    names = list(_read_names(folder))
    return {
        split: Lexicon(
            tuple(frame for frame in frames if frame.split == split),
            {
                kind: tuple(n for n in names if n.kind == kind and split in n.splits)
                for kind in KINDS
            },
        )
        for split in SPLITS
    }


def make_calls(lexicon: Lexicon, count: int, seed: int) -> list[Call]:
    """Make calls that use every frame about equally often.

    The same seed gives the same calls, and a larger count the same ones and more.
    """
    order = np.random.default_rng((seed, 0))
    frames: list[Frame] = []
    while len(frames) < count:
        frames += [lexicon.frames[i] for i in order.permutation(len(lexicon.frames))]
    return [
        make_call(frame, lexicon, np.random.default_rng((seed, 1, index)))
        for index, frame in enumerate(frames[:count])
    ]


def make_call(frame: Frame, lexicon: Lexicon, rng: np.random.Generator) -> Call:
    """Fill a frame with names and numbers and surround the names with others in range."""
    written: dict[str, str] = {}
    spoken: dict[str, str] = {}
    names: list[str] = []
    sea_digits = rng.random() < SEA_DIGIT_SHARE
    for other, slot in dict.fromkeys(_SLOT.findall(frame.text)):
        key = f"{other}{slot}"
        name = _draw_name(lexicon.names[slot], names, rng) if slot in KINDS else None
        text = name.text if name else _draw_value(slot, set(written.values()), rng)
        written[key] = text
        spoken[key] = (name.say or name.text) if name else _say_digits(text, sea_digits)
        names += [name.text] if name else []
    return Call(
        frame=frame,
        reference=_sentence_case(frame.text.format_map(written)),
        spoken=respell(frame.text.format_map(spoken)),
        names=tuple(names),
        context=_context(names, lexicon, rng),
    )


def respell(text: str) -> str:
    """Put words that voices misread into a spelling that they read well."""
    return _WORD.sub(lambda word: AS_SPOKEN.get(word.group(), word.group()), text)


def _read_frames(path: Path) -> Iterator[Frame]:
    for row in _split_rows(path):
        frame = Frame(row["frame_id"], row["topic"], row["split"], row["text"])
        slots = {slot for _, slot in _SLOT.findall(frame.text)}
        unknown = sorted(slots - VALUES.keys() - set(KINDS))
        if unknown or re.search(r"[{}]", _SLOT.sub("", frame.text)):
            raise DataError(f"{path}: frame '{frame.frame_id}': unknown slot {', '.join(unknown)}")
        yield frame


def _read_names(folder: Path) -> Iterator[Name]:
    """Yield the ships, first those made of two words, then the others; and places."""
    words = list(_rows(folder / "vessel_words.tsv"))
    first, second = ([r["word"] for r in words if r["part"] == p] for p in ("first", "second"))
    for name in (f"{one} {other}" for one in first for other in second if one != other):
        yield Name(name, "ship", (_split_of(name),), "")
    for row in _split_rows(folder / "vessels.tsv"):
        yield Name(row["name"], "ship", (row["split"],), row["say"])
    for row in _rows(folder / "places.tsv"):
        if row["kind"] not in KINDS:
            raise DataError(
                f"{folder / 'places.tsv'}: '{row['name']}': unknown kind '{row['kind']}'"
            )
        yield Name(row["name"], row["kind"], SPLITS, row["say"])


def _split_of(name: str) -> str:
    """Return the split of a two-word ship: a matter of its name alone."""
    place = zlib.crc32(name.encode()) % 100
    for split, share in SHIP_SHARES.items():
        if place < share:
            return split
        place -= share
    return "train"


def _split_rows(path: Path) -> Iterator[dict[str, str]]:
    for row in _rows(path):
        if row["split"] not in SPLITS:
            raise DataError(f"{path}: split '{row['split']}' is none of {', '.join(SPLITS)}")
        yield row


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _draw_name(names: tuple[Name, ...], taken: list[str], rng: np.random.Generator) -> Name:
    while True:
        name = names[rng.integers(len(names))]
        if name.text not in taken:
            return name


def _draw_value(slot: str, taken: set[str], rng: np.random.Generator) -> str:
    while True:
        value = VALUES[slot](rng)
        if value not in taken:
            return value


def _context(names: list[str], lexicon: Lexicon, rng: np.random.Generator) -> tuple[str, ...]:
    """Surround the names said with others: mostly ships, some stations and ports; 8 to 20."""
    size = int(rng.integers(8, 21))
    phrases = dict.fromkeys(names)
    while len(phrases) < size:
        kind = "ship" if rng.random() < 0.8 else ("station", "port")[rng.integers(2)]
        pool = lexicon.names[kind]
        phrases[pool[rng.integers(len(pool))].text] = None
    listed = list(phrases)
    return tuple(listed[i] for i in rng.permutation(len(listed)))


def _sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]


def _say_digits(text: str, sea_digits: bool) -> str:
    if not sea_digits:
        return text
    return " ".join(SEA_DIGITS.get(word, word) for word in text.split(" "))
