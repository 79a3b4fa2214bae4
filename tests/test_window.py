"""The window of an utterance: long enough for it, in steps, never beyond Whisper's own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.errors import UsageError
from asr_adapt.window import (
    FULL_WINDOW,
    MAX_FRAMES,
    MAX_SPEECH_S,
    STEP_FRAMES,
    Window,
    length_bucket,
)

durations = st.floats(0.01, MAX_SPEECH_S)
slacks = st.integers(0, MAX_FRAMES - 1)


@given(durations, slacks)
def test_a_window_holds_the_speech_and_its_slack_or_is_full(duration_s: float, slack: int) -> None:
    frames = Window(slack).frames(duration_s)
    assert frames % STEP_FRAMES == 0
    assert frames == MAX_FRAMES or duration_s * 50 + slack <= frames
    assert frames <= MAX_FRAMES
    assert duration_s * 50 <= frames  # never cut


@given(durations, durations, slacks)
def test_longer_speech_never_gets_a_shorter_window(a_s: float, b_s: float, slack: int) -> None:
    short, long = sorted((a_s, b_s))
    assert Window(slack).frames(short) <= Window(slack).frames(long)


@given(durations, slacks, st.integers(0, MAX_FRAMES))
def test_no_window_is_shorter_than_the_least(duration_s: float, slack: int, least: int) -> None:
    frames = Window(slack, least).frames(duration_s)
    assert least <= frames <= MAX_FRAMES
    assert frames == max(Window(slack).frames(duration_s), Window(0, least).frames(0.01))


@given(durations)
def test_untuned_weights_always_get_thirty_seconds(duration_s: float) -> None:
    assert FULL_WINDOW.frames(duration_s) == MAX_FRAMES


@given(durations)
def test_a_bucket_is_the_whole_seconds_that_hold_the_speech(duration_s: float) -> None:
    bucket = length_bucket(duration_s)
    assert duration_s <= bucket < duration_s + 1 or bucket == 1
    assert bucket == math.ceil(duration_s)


@pytest.mark.parametrize("slack", [-1, MAX_FRAMES, 10_000])
def test_slack_that_no_window_has_is_refused(slack: int) -> None:
    with pytest.raises(UsageError, match=str(slack)):
        Window(slack)


@pytest.mark.parametrize("least", [-1, MAX_FRAMES + 1])
def test_a_least_window_beyond_whispers_own_is_refused(least: int) -> None:
    with pytest.raises(UsageError, match=str(least)):
        Window(64, least)
