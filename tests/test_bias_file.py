"""A bias.toml comes back as it was written, and what is wrong in one is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.context.bias_file import (
    BiasChoice,
    BiasFile,
    Measured,
    Trial,
    TuningRecord,
    Untold,
    read_bias_file,
    write_bias_file,
)
from asr_adapt.errors import UsageError
from asr_adapt.settings import (
    BIAS_MODES,
    PHRASE_ORDERS,
    PROMPT_STRATEGIES,
    BiasSettings,
    BoostSettings,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RATE = st.floats(0, 2)
SETTINGS = st.builds(
    BiasSettings,
    mode=st.sampled_from(BIAS_MODES),
    boost=st.builds(BoostSettings, st.floats(0, 20), st.floats(0, 20)),
    strategy=st.sampled_from(PROMPT_STRATEGIES),
    order=st.sampled_from(PHRASE_ORDERS),
    candidates=st.integers(1, 99),
)
CHOICES = st.builds(BiasChoice, SETTINGS, st.integers(1, 9))
MEASURED = st.builds(Measured, RATE, RATE, st.none() | RATE, st.none() | RATE, RATE, RATE)
RECORDS = st.builds(
    TuningRecord, TEXT, TEXT, TEXT, RATE, TEXT, TEXT, st.integers(0), TEXT, TEXT, TEXT, RATE, TEXT,
    st.integers(1, 223), st.integers(0), st.lists(TEXT, max_size=2).map(tuple),
)  # fmt: skip
FILES = st.builds(
    BiasFile,
    SETTINGS,
    st.integers(1, 9),
    st.none() | RECORDS,
    st.lists(st.builds(Untold, st.integers(1, 9), MEASURED), max_size=2).map(tuple),
    st.lists(st.builds(Trial, CHOICES, MEASURED, st.booleans()), max_size=3).map(tuple),
    st.booleans(),
    st.lists(st.text(st.characters(codec="utf-8")), max_size=3).map(tuple),
)


@given(FILES)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, it: BiasFile
) -> None:
    path = tmp_path_factory.getbasetemp() / "bias.toml"
    write_bias_file(path, it)
    assert read_bias_file(path) == it


def test_a_file_by_hand_needs_only_what_differs_from_the_default(tmp_path: Path) -> None:
    path = tmp_path / "bias.toml"
    path.write_text('[bias]\nstrategy = "sentence"\nboost.bonus = 2\n')
    told = BiasSettings(strategy="sentence", boost=BoostSettings(bonus=2.0))
    assert read_bias_file(path) == BiasFile(told)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[bias]\nstratgy = 'glossary'\n", "bias.stratgy"),
        ("[bias]\nstrategy = 'poem'\n", "poem"),
        ("[bias]\norder = 'random'\n", "reversed"),
        ("[bias]\nboost.bonus = -1\n", "bonus"),
        ("beam_size = 'five'\n", "beam_size"),
        ("beam_size = 0\n", "beam_size"),
        ("bias = 3\n", "bias"),
        ("[[trial]]\nallowed = true\n", "trial"),
        ("not toml", "TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "bias.toml"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"bias\.toml") as caught:
        read_bias_file(path)
    assert named in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_bias_file(tmp_path / "none.toml")
