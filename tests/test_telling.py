"""What is told: the mode decides where phrases go, retrieval which of them, nothing gets lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr_adapt.context.bias import prompts_for
from asr_adapt.context.telling import Teller, tell_all
from asr_adapt.records import BiasList, Utterance
from asr_adapt.settings import BIAS_MODES, BiasSettings, PromptSettings
from asr_adapt.words.text import get_normaliser

SHIPS = [f"{a} {b}" for a in ("Rigel", "Noble", "Astrid") for b in ("Crown", "Lily", "Grace")]
ROWS = [
    Utterance("a", Path("a.wav"), 0.0, 1.0, context=("Oulu", "Gavle")),
    Utterance("b", Path("b.wav"), 0.0, 1.0),
]


def letters(text: str) -> list[int]:
    return [ord(c) for c in text]


def teller(bias: BiasSettings, shared: list[str], transcripts: tuple[str, ...] = ()) -> Teller:
    normalise = get_normaliser("spoken-en").function
    return Teller(shared, bias, PromptSettings(), letters, normalise, transcripts)


def test_the_default_is_the_prompt_that_adapters_were_trained_with() -> None:
    told = tell_all(ROWS, teller(BiasSettings(), SHIPS), {})
    before = prompts_for(ROWS, letters, BiasList("ships", tuple(SHIPS), "test"), PromptSettings())
    assert {uid: each.prompt for uid, each in told.items()} == before
    assert not any(each.boosted for each in told.values())


@pytest.mark.parametrize("mode", BIAS_MODES)
def test_the_mode_decides_where_phrases_go(mode: str) -> None:
    told = teller(BiasSettings(mode), ["Rigel Crown"]).tell(ROWS[0], "oulu this is rigel crown")
    assert bool(told.prompt.text) == (mode != "boost")
    assert bool(told.boosted) == (mode != "prompt")


@pytest.mark.parametrize("mode", BIAS_MODES)
def test_where_nothing_is_known_nothing_is_told(mode: str) -> None:
    told = teller(BiasSettings(mode), []).tell(ROWS[1], "rigel crown")
    assert (told.prompt.text, told.boosted) == ("", ())


def test_retrieval_keeps_what_could_have_been_said_and_the_utterances_own() -> None:
    listening = teller(BiasSettings("retrieve", candidates=4), SHIPS)
    told = listening.tell(ROWS[0], "noble lilly calling rye gel crown")
    assert len(told.boosted) == 4
    assert set(told.boosted) == {"Oulu", "Gavle", "Noble Lily", "Rigel Crown"}
    assert all(phrase in told.prompt.text for phrase in told.boosted)


def test_retrieval_hears_nothing_in_silence_and_tells_only_what_is_the_utterances_own() -> None:
    listening = teller(BiasSettings("retrieve", candidates=4), SHIPS)
    assert set(listening.tell(ROWS[0], "").boosted) == {"Oulu", "Gavle"}
    assert listening.tell(ROWS[1], "").boosted == ()


def test_a_list_as_short_as_the_limit_is_told_whole() -> None:
    listening = teller(BiasSettings("retrieve", candidates=20), SHIPS)
    assert set(listening.tell(ROWS[0], "say again").boosted) == {"Oulu", "Gavle", *SHIPS}


def test_examples_follow_what_was_heard() -> None:
    shows = teller(
        BiasSettings(strategy="few-shot"), ["Oulu"], ("Gusts of ten knots.", "Berth two.")
    )
    first = shows.tell(ROWS[1], "berth too").prompt.text
    second = shows.tell(ROWS[1], "gusts of tin knots").prompt.text
    assert first.index("Berth") > first.index("Gusts")
    assert second.index("Gusts") > second.index("Berth")


def test_a_text_filled_with_what_was_told_is_not_believed() -> None:
    listening = teller(BiasSettings("retrieve", candidates=4), SHIPS)
    heard = "nobel lilly we lost twenty minutes in fog"
    told = listening.tell(ROWS[1], heard)
    assert listening.believes(told, heard, heard)
    assert listening.believes(told, heard, "Noble Lily, we lost twenty minutes in fog.")
    assert not listening.believes(told, heard, "Noble Lily, Noble Lily, Noble Lily, Noble Lily")
    assert not listening.believes(told, heard, "Noble Lily, we lost Noble Grace in fog.")


@pytest.mark.parametrize("mode", sorted({*BIAS_MODES} - {"retrieve"}))
def test_without_a_first_pass_everything_is_believed(mode: str) -> None:
    telling = teller(BiasSettings(mode), SHIPS)
    assert telling.believes(telling.tell(ROWS[1]), "", "Noble Lily, Noble Lily, Noble Lily")
