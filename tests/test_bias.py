"""Prompts fit their budget, say what they drop, and training draws what it promises."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.context.bias import (
    build_prompt,
    draw_training_phrases,
    fit_prompt,
    prompts_for,
    read_bias_list,
    remembering,
    said_phrases,
    split_phrases,
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


def bytes_and_pairs(text: str) -> list[int]:
    """Tokenize as Whisper does: words with the space before them, signs in runs, then pieces."""
    cut = re.findall(r" ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+", text)
    assert "".join(cut) == text
    return [hash(piece) for word in cut for piece in re.findall(r"\.,|[a-z]{1,3}|.", word, re.S)]


def one_by_one(
    phrases: Sequence[str],
    write: Callable[[Sequence[str]], str],
    tokenize: Callable[[str], list[int]],
    budget: int,
) -> tuple[str, tuple[str, ...]]:
    """Fit phrases in the slow way: every prompt that is tried is tokenized as a whole."""
    fitting: list[str] = []
    dropped: list[str] = []
    size = 0
    for phrase in unique(phrases):
        tried = len(tokenize(" " + write([*fitting, phrase])))
        if tried <= budget and not (fitting and size + 2 > budget):
            fitting.append(phrase)
            size = tried
        else:
            dropped.append(phrase)
    return write(fitting) if fitting else "", tuple(dropped)


NAMES = st.lists(st.text("ab1Z. ,'-_<>é\u4e2d", min_size=1, max_size=9), max_size=25)
TEMPLATES = [
    "{phrases}.",
    "Ships:{phrases}and",
    "a  b\n{phrases}\t c",
    " {phrases} \n \n",
    "{phrases}",
]


@settings(max_examples=300, deadline=None)
@given(
    NAMES,
    st.sampled_from(TEMPLATES),
    st.sampled_from([list, sorted, reversed]),
    st.sampled_from([letters, bytes_and_pairs]),
    st.integers(1, 60),
)
def test_counting_words_chooses_what_encoding_every_prompt_does(
    phrases: list[str],
    template: str,
    arrange: Callable[[Sequence[str]], Sequence[str]],
    tokenize: Callable[[str], list[int]],
    budget: int,
) -> None:
    def write(chosen: Sequence[str]) -> str:
        return template.replace("{phrases}", ", ".join(arrange(chosen)))

    prompt = fit_prompt(phrases, write, remembering(tokenize), budget)
    assert (prompt.text, prompt.dropped_phrases) == one_by_one(phrases, write, tokenize, budget)
    assert list(prompt.token_ids) == (tokenize(" " + prompt.text) if prompt.text else [])


@pytest.mark.weights
@pytest.mark.parametrize("model", sorted(PACKAGES))
def test_words_of_the_real_tokenizer_add_up(model: str) -> None:
    if package_files(PACKAGES[model]) is None:
        pytest.skip(f"{model} is not installed")
    from transformers import WhisperTokenizer

    tokenizer = WhisperTokenizer.from_pretrained(resolve_weights(model).folder)

    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids

    rng = random.Random(7)  # noqa: S311 - chance in a test
    signs = "abcABC019\u00e9\u00df\u4e2d\u0439\u0301\u200d\u2026\u00ab'-_.,:;!?()/&<|>\""
    whole = ["Inc.", "(UK)", "...", "don't", "Boys'", "'s", "<|en|>", "Star", "Weser", "No.", ".,"]

    def name() -> str:
        made = ["".join(rng.choices(signs, k=rng.randint(1, 8))) for _ in range(2)]
        return " ".join(rng.sample([*made, *whole], rng.randint(1, 3)))

    for _ in range(40):
        phrases = [name() for _ in range(100)]
        for template in TEMPLATES:
            budget = rng.randint(1, 223)

            def write(chosen: Sequence[str], template: str = template) -> str:
                return template.replace("{phrases}", ", ".join(chosen))

            prompt = fit_prompt(phrases, write, remembering(tokenize), budget)
            expected = one_by_one(phrases, write, tokenize, budget)
            assert (prompt.text, prompt.dropped_phrases) == expected


@pytest.mark.parametrize("budget", range(200, 224))
def test_of_a_long_list_few_prompts_are_encoded_whole(budget: int) -> None:
    """Also where the prompt comes to rest a token or two before its budget, and no name fits."""
    whole: list[str] = []

    def counted(text: str) -> list[int]:
        if " " in text[1:]:
            whole.append(text)
        return bytes_and_pairs(text)

    names = [f"Motor{chr(97 + n % 26)}vessel {n}" for n in range(3000)]
    prompt = build_prompt(names, counted, PromptSettings(budget_tokens=budget))
    told = len(names) - len(prompt.dropped_phrases)
    assert told >= 15
    assert len(whole) <= told + 2


def test_the_words_of_a_list_are_encoded_once_for_all_utterances() -> None:
    seen: list[str] = []

    def counted(text: str) -> list[int]:
        seen.append(text)
        return bytes_and_pairs(text)

    listed = BiasList("ships", tuple(f"Motorvessel {n}" for n in range(300)), "test")
    rows = [utterance(f"u{n}", "over", (f"Own {n}",)) for n in range(9)]
    told = prompts_for(rows, counted, listed, PromptSettings(budget_tokens=60))
    assert len({prompt.text for prompt in told.values()}) == 9
    single = [text for text in seen if " " not in text[1:]]
    assert len(single) == len(set(single))


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


def test_bias_list_takes_comments_off_and_refuses_what_is_no_phrase_by_line(tmp_path: Path) -> None:
    path = tmp_path / "ships.txt"
    path.write_text("Berth #4  # a comment\nAurora\n")
    assert read_bias_list(path).phrases == ("Berth #4", "Aurora")
    for bad in ("...", "Ada|Ben", "x" * 300):
        path.write_text(f"Aurora\n\n{bad}\n")
        with pytest.raises(BiasError, match=r"ships\.txt:3: "):
            read_bias_list(path)


@pytest.mark.parametrize(
    ("cell", "phrases"),
    [
        ("Ada|Ben", ["Ada", "Ben"]),
        ("Ada; Ben", ["Ada", "Ben"]),
        ("Ada; Ben|Cy", ["Ada; Ben", "Cy"]),
        (" | ; ", []),
        ('["Ada", "Ben"]', ["Ada", "Ben"]),
        ("['Ada', \"Ben's\"]", ["Ada", "Ben's"]),
        ("[]", []),
        ("[Ada] | [Ben]", ["[Ada]", "[Ben]"]),
        ("[1, 2]", ["[1, 2]"]),
        ("[x" * 5000 + "]", ["[x" * 5000 + "]"]),
    ],
)
def test_a_cell_of_context_is_taken_apart(cell: str, phrases: list[str]) -> None:
    assert split_phrases(cell) == phrases


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
