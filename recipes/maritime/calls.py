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

from collections.abc import Iterator
from pathlib import Path

from slots import VALUES

from asr_adapt.spoken_calls.calls import (
    Grammar,
    Lexicon,
    Name,
    build_lexicons,
    read_names,
    read_rows,
    read_split_rows,
    split_of,
)

KINDS = ("ship", "station", "port", "area")

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

GRAMMAR = Grammar(
    kinds=KINDS,
    values=VALUES,
    as_spoken=AS_SPOKEN,
    radio_digits={"three": "tree", "five": "fife", "nine": "niner"},
    radio_digit_share=0.35,
    told=KINDS,
    listed=("ship", "station", "port"),
    listed_share=0.8,
    context_size=(8, 20),
)
"""Context is what an AIS screen and a chart show: mostly ships."""


def read_lexicons(folder: Path) -> dict[str, Lexicon]:
    """Read the tables; returns frames and names by split.

    Raises:
        DataError: a row names an unknown slot, split or kind.
    """
    return build_lexicons(folder / "frames.tsv", _read_names(folder), GRAMMAR)


def _read_names(folder: Path) -> Iterator[Name]:
    """Yield the ships, first those made of two words, then the others; and places."""
    words = list(read_rows(folder / "vessel_words.tsv"))
    first, second = ([r["word"] for r in words if r["part"] == p] for p in ("first", "second"))
    for name in (f"{one} {other}" for one in first for other in second if one != other):
        yield Name(name, "ship", (split_of(name, SHIP_SHARES),), "")
    for row in read_split_rows(folder / "vessels.tsv"):
        yield Name(row["name"], "ship", (row["split"],), row["say"])
    yield from read_names(folder / "places.tsv", KINDS)
