"""Data of the dispatch recipe: radio traffic by synthetic voices and real voices, over codec2.

What is said stands in `phrases.py` and the tables, who says it here; `asr_adapt.spoken_calls`
makes the data of it.
"""

from __future__ import annotations

from pathlib import Path

from phrases import GRAMMAR, read_lexicons

from asr_adapt.prepare_script import run_prepare
from asr_adapt.spoken_calls.data import SIZES, VOICES, Domain, Radio, prepare_domain

DOMAIN = Domain(
    name="dispatch",
    version=7,
    folder=Path(__file__).parent,
    grammar=GRAMMAR,
    read_lexicons=read_lexicons,
    voices=VOICES,
    sizes=SIZES,
    radio=Radio("digital", (8.0, 25.0)),  # below about 8 dB radios mute
    other_radios={"analogue": Radio("nbfm", (5.0, 25.0))},
)


def prepare(cache_dir: Path, out_dir: Path, size: str, seed: int) -> None:
    """Make the data, unless it is there; see `asr_adapt.spoken_calls.data.prepare_domain`."""
    prepare_domain(DOMAIN, cache_dir, out_dir, size, seed)


if __name__ == "__main__":
    run_prepare(prepare, SIZES)
