"""Every strategy keeps its budget, loses no phrase, and tells nothing where nothing is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.context.bias import build_prompt, unique
from asr_adapt.context.strategies import STRATEGIES, Known, get_strategy
from asr_adapt.errors import UsageError
from asr_adapt.settings import PHRASE_ORDERS, PROMPT_STRATEGIES, PromptSettings

WORDS = ["Aurora", "Rigel Crown", "Elbe Pilot", "Oulu", "Gavle Traffic", "Noble Lily", "Cuxhaven"]
PHRASES = st.lists(st.sampled_from(WORDS), max_size=7, unique=True).map(tuple)
TRANSCRIPTS = ("Aurora, this is Elbe Pilot, over.", "Say again.", "Rigel Crown enters the fairway.")


def letters(text: str) -> list[int]:
    """Tokenize by character, which makes budgets easy to see."""
    return [ord(c) for c in text]


@pytest.mark.parametrize("order", PHRASE_ORDERS)
@pytest.mark.parametrize("name", STRATEGIES)
@given(own=PHRASES, shared=PHRASES, budget=st.integers(1, 120))
def test_budget_is_kept_and_no_phrase_is_lost(
    name: str, order: str, own: tuple[str, ...], shared: tuple[str, ...], budget: int
) -> None:
    known = Known(own, shared, TRANSCRIPTS)
    prompt = STRATEGIES[name](known, letters, PromptSettings(budget_tokens=budget), order)
    assert len(prompt.token_ids) <= budget
    assert prompt.token_ids == tuple(letters(" " + prompt.text) if prompt.text else ())
    told = [p for p in unique((*own, *shared)) if p not in prompt.dropped_phrases]
    assert all(phrase in prompt.text for phrase in told)
    assert len(told) + len(prompt.dropped_phrases) == len(unique((*own, *shared)))


@pytest.mark.parametrize("name", STRATEGIES)
def test_where_no_phrase_is_known_nothing_is_told(name: str) -> None:
    known = Known(transcripts=TRANSCRIPTS, heard="aurora this is elbe pilot")
    assert STRATEGIES[name](known, letters, PromptSettings(), "given").token_ids == ()


@given(PHRASES, PHRASES, st.integers(1, 120))
def test_the_glossary_is_the_prompt_that_adapters_know(
    own: tuple[str, ...], shared: tuple[str, ...], budget: int
) -> None:
    settings = PromptSettings("Ships: {phrases}", budget)
    prompt = STRATEGIES["glossary"](Known(own, shared), letters, settings, "given")
    assert prompt == build_prompt((*own, *shared), letters, settings)


@given(PHRASES, st.integers(1, 120))
def test_the_order_decides_where_phrases_stand_but_not_which_fit(
    own: tuple[str, ...], budget: int
) -> None:
    settings = PromptSettings(budget_tokens=budget)
    prompts = [
        STRATEGIES["glossary"](Known(own), letters, settings, order) for order in PHRASE_ORDERS
    ]
    assert len({prompt.dropped_phrases for prompt in prompts}) == 1
    as_given, backwards, sorted_ones = (
        prompt.text.removesuffix(".").split(", ") for prompt in prompts
    )
    assert as_given == backwards[::-1]
    assert sorted(as_given, key=str.casefold) == sorted_ones


def test_a_sentence_joins_its_last_phrase_with_and() -> None:
    def text(*phrases: str, template: str = "{phrases}.") -> str:
        settings = PromptSettings(template)
        return STRATEGIES["sentence"](Known(phrases), letters, settings, "given").text

    assert text("Aurora", "Oulu", "Elbe Pilot").endswith(" Aurora, Oulu and Elbe Pilot.")
    assert text("Aurora").endswith(" Aurora.")
    assert text("A", "B", template="Ships: {phrases}!") == "Ships: A and B!"


def test_examples_are_like_what_was_heard_and_give_way_to_phrases() -> None:
    known = Known(("Oulu",), (), TRANSCRIPTS, heard="regal crown entering the fair way")
    roomy = STRATEGIES["few-shot"](known, letters, PromptSettings(budget_tokens=60), "given")
    assert roomy.text == "Say again. Rigel Crown enters the fairway. Oulu."
    tight = STRATEGIES["few-shot"](known, letters, PromptSettings(budget_tokens=8), "given")
    assert tight.text == "Oulu."


def test_per_utterance_says_that_it_drops_the_shared_list() -> None:
    known = Known(("Oulu",), ("Aurora", "OULU"))
    prompt = STRATEGIES["per-utterance"](known, letters, PromptSettings(), "given")
    assert (prompt.text, prompt.dropped_phrases) == ("Oulu.", ("Aurora",))


def test_settings_name_the_strategies_there_are() -> None:
    assert tuple(STRATEGIES) == PROMPT_STRATEGIES


def test_unknown_names_are_refused_with_what_is_known() -> None:
    with pytest.raises(UsageError, match="glossary"):
        get_strategy("poem")
    with pytest.raises(UsageError, match="reversed"):
        STRATEGIES["glossary"](Known(("Oulu",)), letters, PromptSettings(), "random")
