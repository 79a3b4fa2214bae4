"""Prompts fit their budget, say what they drop, and training draws what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.context.bias import (
    build_prompt,
    draw_training_phrases,
    prompts_for,
    read_bias_list,
    said_phrases,
    training_contexts,
    unique,
)
from asr_adapt.errors import BiasError, UsageError
from asr_adapt.records import BiasList, Utterance
from asr_adapt.settings import PromptMix, PromptSettings

PHRASES = st.lists(st.text("abc d", min_size=1, max_size=12), max_size=30)


def letters(text: str) -> list[int]:
    """Tokenize by character, which makes budgets easy to see."""
    return [ord(c) for c in text]


def utterance(uid: str, reference: str, context: tuple[str, ...] = ()) -> Utterance:
    return Utterance(uid, Path("a.wav"), 0.0, 1.0, reference=reference, context=context)


@given(PHRASES, st.integers(1, 60))
def test_prompt_never_exceeds_its_budget_and_loses_no_phrase(
    phrases: list[str], budget: int
) -> None:
    prompt = build_prompt(phrases, letters, PromptSettings(budget_tokens=budget))
    assert len(prompt.token_ids) <= budget
    told = [p for p in prompt.text.removesuffix(".").split(", ") if p]
    assert sorted([*told, *prompt.dropped_phrases]) == sorted(unique(phrases))


def test_a_shorter_phrase_still_fits_after_a_long_one_is_dropped() -> None:
    prompt = build_prompt(["abcd", "x" * 50, "ef"], letters, PromptSettings(budget_tokens=12))
    assert prompt.text == "abcd, ef."
    assert prompt.dropped_phrases == ("x" * 50,)


def test_no_phrases_make_no_prompt() -> None:
    assert build_prompt([], letters, PromptSettings()).token_ids == ()


@pytest.mark.parametrize("budget", [0, -1, 224])
def test_budget_out_of_range_is_refused(budget: int) -> None:
    with pytest.raises(UsageError, match="223"):
        PromptSettings(budget_tokens=budget)


def test_template_without_a_place_for_phrases_is_refused() -> None:
    with pytest.raises(UsageError, match="phrases"):
        PromptSettings(template="Ships")


def test_said_phrases_match_whole_words_only() -> None:
    assert said_phrases(["Star", "North Star", "Tar"], "The north star, over.") == (
        "Star",
        "North Star",
    )


def test_bias_list_keeps_order_and_skips_comments(tmp_path: Path) -> None:
    path = tmp_path / "ships.txt"
    path.write_text("﻿# ships in range\nAurora\n\n  Beta   Star \naurora\n", encoding="utf-8")
    assert read_bias_list(path).phrases == ("Aurora", "Beta Star")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00"])
def test_unusable_bias_list_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ships.txt"
    path.write_bytes(content)
    with pytest.raises(BiasError, match=r"ships\.txt"):
        read_bias_list(path)


def test_shared_list_comes_after_the_utterances_own_context() -> None:
    rows = [utterance("a", "", ("Own",)), utterance("b", "")]
    shared = BiasList("list", ("Shared",), "test")
    prompts = prompts_for(rows, letters, shared, PromptSettings())
    assert prompts["a"].text == "Own, Shared."
    assert prompts["b"].text == "Shared."


def drawn(kind_share: tuple[float, float], n: int = 400) -> list[tuple[str, ...]]:
    mix = PromptMix(*kind_share, max_distractors=5)
    pool = [f"ship {c}" for c in "abcdefghij"]
    rng = np.random.default_rng(1)
    return [
        draw_training_phrases("this is north star", ("North Star", "Other"), pool, mix, rng)
        for _ in range(n)
    ]


def test_true_prompts_hold_what_is_said_and_wrong_ones_do_not() -> None:
    assert all("North Star" in phrases for phrases in drawn((1.0, 0.0)))
    assert not any("North Star" in phrases for phrases in drawn((0.0, 1.0)))
    assert not any(drawn((0.0, 0.0)))


def test_shares_of_prompt_kinds_are_kept() -> None:
    told = drawn((0.5, 0.0), 2000)
    assert 0.45 < sum("North Star" in p for p in told) / len(told) < 0.55


def test_distractors_never_exceed_their_limit() -> None:
    assert max(len(p) for p in drawn((1.0, 0.0))) <= 1 + 5


def test_a_share_of_the_distractors_sounds_like_what_was_said() -> None:
    alike = {"North Star": ("North Tsar", "Nord Star", "Norse Star", "Worth Star")}
    pool = [f"ship {c}" for c in "abcdefghij"]
    rng = np.random.default_rng(1)
    hard, others = 0, 0
    for _ in range(400):
        mix = PromptMix(0.5, 0.5, max_distractors=8, alike_share=0.25)
        told = draw_training_phrases("north star", ("North Star",), pool, mix, rng, alike)
        hard += len(set(told) & set(alike["North Star"]))
        others += len(set(told) - {"North Star"})
        assert len(told) <= 1 + 8
    assert 0.15 < hard / others < 0.35


def test_data_without_context_is_told_its_rare_words() -> None:
    rows = [utterance(f"u{i}", "the ship leaves port") for i in range(60)]
    rows.append(utterance("rare", "the ship Alcyone leaves port"))
    contexts = training_contexts(rows)
    assert contexts[-1] == ("alcyone",)
    assert contexts[:-1] == [()] * 60


def test_data_with_context_keeps_it() -> None:
    rows = [utterance("a", "alcyone", ("Beta",)), utterance("b", "alcyone")]
    assert training_contexts(rows) == [("Beta",), ()]
