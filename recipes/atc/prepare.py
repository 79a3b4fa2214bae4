"""Data of the atc recipe: clearances and readbacks by synthetic voices, and real voices, over AM.

What is said stands in `phraseology.py` and the tables, who says it here; `asr_adapt.spoken_calls`
makes the data of it.
"""

from __future__ import annotations

from pathlib import Path

from phraseology import GRAMMAR, read_lexicons

from asr_adapt.prepare_script import run_prepare
from asr_adapt.spoken_calls.data import SIZES, VOICES, Domain, Radio, prepare_domain

DOMAIN = Domain(
    name="atc",
    version=7,
    folder=Path(__file__).parent,
    grammar=GRAMMAR,
    read_lexicons=read_lexicons,
    voices=VOICES,
    sizes=SIZES,
    radio=Radio("am", (8.0, 28.0)),  # below about 6 dB nothing is left to learn
    other_radios={},
)


def prepare(cache_dir: Path, out_dir: Path, size: str, seed: int) -> None:
    """Make the data, unless it is there; see `asr_adapt.spoken_calls.data.prepare_domain`."""
    prepare_domain(DOMAIN, cache_dir, out_dir, size, seed)


if __name__ == "__main__":
    run_prepare(prepare, SIZES)
