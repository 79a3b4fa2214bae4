"""Data of the maritime recipe: ship-radio calls by synthetic voices, and real voices on the radio.

What is said stands in `calls.py` and the tables, who says it here; `asr_adapt.spoken_calls` makes
the data of it.
"""

from __future__ import annotations

from pathlib import Path

from calls import GRAMMAR, read_lexicons

from asr_adapt.prepare_script import run_prepare
from asr_adapt.spoken_calls.data import SIZES, VOICES, Domain, Radio, prepare_domain

VERSION = 9
"""Raise it when the same size and seed give other data than before."""

DOMAIN = Domain(
    name="maritime",
    version=VERSION,
    folder=Path(__file__).parent,
    grammar=GRAMMAR,
    read_lexicons=read_lexicons,
    voices=VOICES,
    sizes=SIZES,
    radio=Radio("vhf", (5.0, 25.0)),  # from marginal to comfortable
    other_radios={},
)


def prepare(cache_dir: Path, out_dir: Path, size: str, seed: int) -> None:
    """Make the data, unless it is there; see `asr_adapt.spoken_calls.data.prepare_domain`."""
    prepare_domain(DOMAIN, cache_dir, out_dir, size, seed)


if __name__ == "__main__":
    run_prepare(prepare, SIZES)
