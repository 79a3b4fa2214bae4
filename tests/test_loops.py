"""Runaway decoding is flagged; what people really say on the radio is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.scoring.loops import flag_text


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("Mayday, mayday, mayday, this is Aurora, Aurora, Aurora, D5KA2.", 8.0),
        ("Pan-pan, pan-pan, pan-pan, all stations, all stations, all stations.", 6.0),
        ("Zero zero zero, one one one.", 3.0),
        ("Securite, securite, securite, channel one two, one two, one two.", 7.0),
        ("Yes.", 0.2),
    ],
)
def test_radio_repetition_is_no_loop(text: str, duration_s: float) -> None:
    assert flag_text(text, duration_s) == ()


@pytest.mark.parametrize(
    "text",
    [
        "no " * 7,
        "I'm going to go to the store, " * 4,
        "thank you. " * 20,
        "0 1 " * 12,
        "fine start " + "and then the end " * 5,
        "a" * 200,
    ],
)
def test_loops_are_flagged(text: str) -> None:
    assert flag_text(text, 30.0) == ("loop",)


def test_more_words_than_anyone_can_say_are_a_loop() -> None:
    words = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima"
    assert flag_text(words, 1.0) == ("loop",)
    assert flag_text(words, 4.0) == ()


@pytest.mark.parametrize("text", ["", "  ", "...", "♪ ♪"])
def test_nothing_said_is_empty(text: str) -> None:
    assert flag_text(text, 3.0) == ("empty",)


@given(st.text(max_size=80), st.floats(0.01, 30.0))
def test_any_text_can_be_flagged(text: str, duration_s: float) -> None:
    assert flag_text(text, duration_s) in ((), ("loop",), ("empty",))
