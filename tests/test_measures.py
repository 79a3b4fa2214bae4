"""Measures are quotients of added counts, and their differences are paired."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.scoring.measures import NAMES
from asr_adapt.scoring.score import RunScores, score_run

_SHIPS = ("Nordic Falcon", "Baltic Heron", "Stella Maris", "Coral Wind")


def _score(heard: dict[str, Sequence[str]], said: Sequence[str], seed: int = 0) -> RunScores:
    utterances = [
        Utterance(f"u{i}", Path("a.wav"), 0.0, 2.0, text, speaker=f"s{i % 12}", context=_SHIPS)
        for i, text in enumerate(said)
    ]
    rows = [
        Hypothesis(f"u{i}", arm, text)
        for arm, texts in heard.items()
        for i, text in enumerate(texts)
    ]
    return score_run(utterances, rows, seed=seed)


def _calls(count: int) -> list[str]:
    chance = random.Random(1)  # noqa: S311  # made-up data
    return [f"{chance.choice(_SHIPS)} go to channel {chance.randint(10, 88)}" for _ in range(count)]


def _damage(text: str, chance: random.Random) -> str:
    words = [word for word in text.split() if chance.random() > 0.2]
    return " ".join([*words, *([chance.choice(_SHIPS)] if chance.random() < 0.2 else [])])


@pytest.fixture(scope="module")
def scores() -> RunScores:
    chance = random.Random(2)  # noqa: S311
    said = _calls(60)
    worse = [_damage(text, chance) for text in said]
    return _score({"base": worse, "base+bias": said, "lora": worse}, said)


def test_values_are_quotients_of_counts_over_all_utterances(scores: RunScores) -> None:
    for arm in scores.arms:
        here = [each for each in scores.utterances if each.arm == arm.arm]
        values = {measure.name: (measure.part, measure.whole) for measure in arm.measures}
        terms = [term for each in here for term in each.terms]
        assert values["biased_wer"] == (
            arm.context_words.errors,
            arm.context_words.reference_length,
        )
        assert values["unbiased_wer"] == (arm.other_words.errors, arm.other_words.reference_length)
        assert values["leak_rate"] == (sum(term.leaks for term in terms), len(here))
        said = sum(entity.said for each in here for entity in each.entities)
        assert values["entity_accuracy"][1] == said == 60
        assert arm.term_recall == arm.measure("term_recall").value  # type: ignore[union-attr]


def test_kinds_of_entities_add_up_to_all(scores: RunScores) -> None:
    for arm in scores.arms:
        kinds = [each for each in arm.measures if each.name.startswith("entity_accuracy.")]
        total = arm.measure("entity_accuracy")
        assert total is not None
        assert (sum(each.part for each in kinds), sum(each.whole for each in kinds)) == (
            total.part,
            total.whole,
        )


def test_every_interval_holds_its_value(scores: RunScores) -> None:
    for arm in scores.arms:
        assert [each.name for each in arm.measures] == [n for n in NAMES if arm.measure(n)]
        for each in arm.measures:
            assert each.ci95 is not None
            assert each.ci95[0] <= each.value <= each.ci95[1]  # type: ignore[operator]


def test_differences_are_paired(scores: RunScores) -> None:
    found = {(each.measure, each.a, each.b): each for each in scores.differences}
    for name in ("biased_wer", "unbiased_wer", "term_recall", "leak_rate", "entity_accuracy"):
        same, better = found[name, "base", "lora"], found[name, "base", "base+bias"]
        assert (same.difference, same.ci95, same.p_value) == (0.0, (0.0, 0.0), 1.0)
        a, b = (scores.arm(arm).measure(name) for arm in ("base", "base+bias"))
        assert a is not None
        assert b is not None
        assert better.difference == pytest.approx((b.value or 0) - (a.value or 0))
        assert better.ci95[0] <= better.difference <= better.ci95[1]
        assert better.p_value < 0.05


def test_perfect_text_has_no_errors_leaks_or_lost_entities(scores: RunScores) -> None:
    values = {each.name: each.value for each in scores.arm("base+bias").measures}
    assert values.pop("term_precision") == values.pop("term_recall") == 1
    assert {v for name, v in values.items() if name.startswith("entity")} == {1.0}
    assert {v for name, v in values.items() if not name.startswith("entity")} == {0.0}


def test_silence_counts_for_leaks_but_not_for_error_rates() -> None:
    said = ["Stella Maris calling", ""]
    arm = _score({"base": ["stella maris calling", "coral wind"]}, said).arm("base")
    values = {each.name: (each.part, each.whole) for each in arm.measures}
    assert values["leak_rate"] == values["false_insertion_rate"] == (1, 2)
    assert values["biased_wer"] == (0, 2)
    assert values["term_precision"] == (1, 2)


def test_without_lists_there_is_nothing_to_say_about_context() -> None:
    utterance = Utterance("u0", Path("a.wav"), 0.0, 2.0, "hello")
    scores = score_run([utterance], [Hypothesis("u0", "base", "hello")])
    assert scores.arm("base").measures == ()
    assert scores.differences == ()
