"""Everyday sentences for general speech: fit to be spoken, and full of what calls say otherwise."""

from __future__ import annotations

import re
from pathlib import Path

from asr_adapt.spoken_calls.data import VOICES as SPLIT_VOICES
from asr_adapt.spoken_calls.everyday import (
    DEV_SENTENCES,
    DEV_VOICES,
    QUICK_VOICES,
    SENTENCES,
    VOICES,
    requests,
)

LINES = SENTENCES.read_text(encoding="utf-8").splitlines()
DEV_LINES = DEV_SENTENCES.read_text(encoding="utf-8").splitlines()


def test_sentences_are_clean_and_each_stands_once() -> None:
    every = [*LINES, *DEV_LINES]
    assert [line.strip() for line in every] == every
    assert len({line.lower() for line in every}) == len(every)
    assert (len(LINES), len(DEV_LINES)) >= (60, 40)
    assert not any(character.isdigit() for line in every for character in line)


def test_most_sentences_say_a_number_or_a_word_that_sounds_like_one() -> None:
    numbers = re.compile(r"\b(one|two|three|four|five|six|seven|eight|nine|ten|to|for)\b")
    assert sum(bool(numbers.search(line.lower())) for line in LINES) > len(LINES) / 2


def test_voices_are_those_of_training_and_of_dev() -> None:
    assert set(VOICES) <= set(SPLIT_VOICES["train"])
    assert set(DEV_VOICES) <= set(SPLIT_VOICES["dev"])


def test_a_small_size_has_the_quicker_voices_say_the_same_sentences() -> None:
    assert set(QUICK_VOICES) < set(VOICES)
    quick, all_voices = (
        requests(Path("clean"), SENTENCES, 12, each) for each in (QUICK_VOICES, VOICES)
    )
    assert [r.text for r in quick] == [r.text for r in all_voices] == LINES[:12]
    assert {r.voice.name for r in quick} == set(QUICK_VOICES)
    assert {r.voice.name for r in all_voices} == set(VOICES)
