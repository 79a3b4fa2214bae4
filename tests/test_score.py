"""Scores of a run: counts in the right place, terms, failures, comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asr_adapt.errors import DataError, UsageError
from asr_adapt.records import ErrorCounts, Hypothesis, Utterance
from asr_adapt.scoring.score import (
    RunScores,
    TermCounts,
    confusions,
    score_run,
)
from asr_adapt.words.text import get_normaliser


def _utterance(
    name: str, reference: str | None, context: tuple[str, ...] = (), speaker: str = "s"
) -> Utterance:
    return Utterance(name, Path(f"{name}.wav"), 0.0, 2.0, reference, "en", speaker, None, context)


def _run(
    references: list[str], arms: dict[str, list[str]], context: tuple[str, ...] = ()
) -> RunScores:
    utterances = [_utterance(f"u{i}", text, context) for i, text in enumerate(references)]
    rows = [
        Hypothesis(f"u{i}", arm, text, decode_s=0.5)
        for arm, texts in arms.items()
        for i, text in enumerate(texts)
    ]
    return score_run(utterances, rows)


# Runs


def test_a_shared_list_counts_like_the_same_context_everywhere() -> None:
    texts, arms = ["Maria calling", "hello Vesta"], {"base": ["maria calling", "hello maria"]}
    listed = _run(texts, arms, context=("Maria", "Vesta"))
    utterances = [_utterance(f"u{i}", text) for i, text in enumerate(texts)]
    rows = [Hypothesis(f"u{i}", "base", t, decode_s=0.5) for i, t in enumerate(arms["base"])]
    shared = score_run(utterances, rows, phrases=("Maria", "Vesta"))
    assert shared == listed


def test_entities_are_whole_units_of_the_reference() -> None:
    said = "PA3XYZ, heading zero nine zero, channel one six"
    heard = ["papa alpha three xray yankee zulu heading 090 channel 60", said]
    scores = _run([said, said], {"base": heard})
    found = {m.name: (m.part, m.whole) for m in scores.arm("base").measures}
    assert found == {
        "entity_accuracy": (5, 6),
        "entity_accuracy.call sign": (2, 2),
        "entity_accuracy.heading": (2, 2),
        "entity_accuracy.number": (1, 2),
    }


def test_entities_are_asked_of_the_normaliser_that_spells_digits_only() -> None:
    utterances = [_utterance("u0", "channel 16")]
    rows = [Hypothesis("u0", "base", "channel 16")]
    assert score_run(utterances, rows, "whisper-en").arm("base").measures == ()


def test_each_normaliser_gives_its_own_rate() -> None:
    arm = _run(["Contact 118.1"], {"base": ["contact one one eight decimal one"]}).arm("base")
    assert arm.wer == 0
    assert arm.wer_raw == 3.0
    assert arm.wer_whisper is not None
    assert 0 < arm.wer_whisper < 3.0
    assert arm.characters.rate == 0


def test_whispers_own_rate_is_by_the_language_of_the_utterance() -> None:
    utterances = [
        replace(_utterance("u0", "Er trägt Farbe"), language="de"),
        _utterance("u1", "um the colour"),
    ]
    heard = {"u0": "trägt farbe", "u1": "the color"}
    rows = [Hypothesis(name, "base", text) for name, text in heard.items()]
    lost, same = score_run(utterances, rows, "basic").utterances
    assert lost.whisper_words == ErrorCounts(hits=2, deletions=1)  # "er" is no hesitation there
    assert same.whisper_words.errors == 0  # as it reads English: no "um", one spelling


def test_rates_come_from_added_counts_not_from_added_rates() -> None:
    long = "we are at anchor and wait for the pilot"
    scores = _run(["yes", long], {"base": ["no", long]})
    arm = scores.arm("base")
    assert arm.wer == 1 / 10
    assert arm.words == scores.utterances[0].words + scores.utterances[1].words


def test_words_heard_in_silence_stand_on_their_own_line() -> None:
    scores = _run(["hello there", "", "[noise]"], {"base": ["hello there", "thank you", ""]})
    arm = scores.arm("base")
    assert arm.words == ErrorCounts(hits=2)
    assert (arm.silence_utterances, arm.silence_insertions) == (2, 2)
    assert arm.utterances == 3
    assert arm.wer_ci95 == (0.0, 0.0)
    assert not confusions(scores.utterances)


def test_speech_that_nobody_wrote_down_is_listed_and_not_taken_for_silence() -> None:
    scores = _run(
        ["hello there", "[unintelligible]", "uh", "<static>"],
        {"base": ["hello there", "star calling", "yes", "thank you"]},
    )
    arm = scores.arm("base")
    assert (arm.silence_utterances, arm.silence_insertions) == (1, 2)
    assert arm.words == ErrorCounts(hits=2)
    assert scores.unlabelled == ("u1", "u2")


def test_a_failed_utterance_is_left_out_for_every_arm_and_named() -> None:
    utterances = [_utterance("u0", "one two"), _utterance("u1", "three"), _utterance("u2", "four")]
    rows = [
        Hypothesis("u0", "base", "one two"),
        Hypothesis("u1", "base", "", error="audio is broken"),
        Hypothesis("u2", "base", "four"),
        Hypothesis("u0", "lora", "one too"),
        Hypothesis("u1", "lora", "three"),
    ]
    scores = score_run(utterances, rows)
    assert scores.left_out == ("u1", "u2")
    assert scores.arm("base").failed == ("u1",)
    assert scores.arm("lora").missing == ("u2",)
    assert scores.arm("base").words == ErrorCounts(hits=2)
    assert scores.arm("lora").words == ErrorCounts(hits=1, substitutions=1)
    failed = next(s for s in scores.utterances if s.failed)
    assert (failed.utterance_id, failed.failed) == ("u1", "audio is broken")
    assert failed.words == ErrorCounts()


def test_an_empty_text_is_no_failure() -> None:
    assert _run(["one two"], {"base": [""]}).arm("base").words == ErrorCounts(deletions=2)


def test_arms_stand_in_their_order_with_their_costs_and_flags() -> None:
    utterances = [_utterance("u0", "one")]
    rows = [
        Hypothesis("u0", "lora+bias", "one", decode_s=1.0),
        Hypothesis("u0", "mine", "one"),
        Hypothesis("u0", "base", "one one", decode_s=3.0, flags=("loop", "cap")),
    ]
    scores = score_run(utterances, rows)
    assert [arm.arm for arm in scores.arms] == ["base", "lora+bias", "mine"]
    assert scores.arm("base").flagged == {"loop": 1, "cap": 1}
    assert scores.arm("base").rtf == 1.5
    assert scores.arm("lora+bias").audio_s == 2.0
    assert [(c.a, c.b) for c in scores.comparisons] == [
        ("base", "lora+bias"),
        ("base", "mine"),
        ("lora+bias", "mine"),
    ]


def test_rates_without_loops_are_those_of_the_other_utterances() -> None:
    texts = ["one two", "three four five", "", "six"]
    heard = {
        "base": ["one " * 30, "three for five", "thank you", "six"],
        "lora": ["one too", "three four", "so " * 9, "six seven"],
    }
    flags = {("base", 0): ("loop",), ("lora", 2): ("loop",), ("lora", 3): ("cap",)}

    def scored(kept: list[int]) -> RunScores:
        rows = [
            Hypothesis(f"u{i}", arm, found[i], flags=flags.get((arm, i), ()))
            for arm, found in heard.items()
            for i in kept
        ]
        return score_run([_utterance(f"u{i}", texts[i]) for i in kept], rows)

    whole, others = scored([0, 1, 2, 3]), scored([1, 3])
    assert whole.looping == ("u0",)
    assert others.looping == ()
    for arm in heard:
        assert whole.arm(arm).wer_without_loops == others.arm(arm).wer
        assert others.arm(arm).wer_without_loops == others.arm(arm).wer
    assert scored([0]).arm("lora").wer_without_loops is None


def test_terms_add_up_over_utterances() -> None:
    arms = {
        "base": ["maria calling", "vesta calling"],
        "base+bias": ["maria calling", "maria calling"],
    }
    scores = _run(["Maria calling", "Maria calling"], arms, context=("Maria", "Vesta"))
    base, biased = scores.arm("base"), scores.arm("base+bias")
    assert base.terms == (TermCounts("Maria", 1, 1, 0), TermCounts("Vesta", 0, 0, 1, 1))
    assert (base.term_recall, base.term_precision) == (0.5, 0.5)
    assert (biased.term_recall, biased.term_precision) == (1.0, 1.0)
    assert (base.context_wer, base.other_wer) == (0.5, 0.0)


def test_without_terms_there_is_no_recall() -> None:
    arm = _run(["one"], {"base": ["one"]}).arm("base")
    assert (arm.term_recall, arm.term_precision, arm.context_wer) == (None, None, None)


def test_call_signs_count_as_terms_in_any_style() -> None:
    heard = ["papa alpha tree xray yankee zulu go ahead"]
    arm = _run(["PA3XYZ, go ahead"], {"base": heard}, context=("PA3XYZ",)).arm("base")
    assert arm.terms == (TermCounts("PA3XYZ", 1, 0, 0),)


_SAID = [
    f"ship number {word} calling" for word in ("alpha", "bravo", "charlie", "delta", "echo")
] * 6
_POOR = ["ship numb alpha falling"] * 30
_GOOD = [text.replace("calling", "call") for text in _SAID[:10]] + _SAID[10:]


def test_identical_arms_differ_by_exactly_nothing() -> None:
    (comparison,) = _run(_SAID, {"base": _POOR, "lora": _POOR}).comparisons
    assert comparison.wer_difference == 0
    assert comparison.ci95 == (0.0, 0.0)
    assert comparison.p_value == 1
    assert comparison.probability_of_improvement == 0


def test_a_clear_gain_excludes_nothing() -> None:
    (comparison,) = _run(_SAID, {"base": _POOR, "lora": _GOOD}).comparisons
    assert comparison.wer_difference < 0
    assert comparison.ci95[0] <= comparison.wer_difference <= comparison.ci95[1] < 0
    assert comparison.p_value < 0.001
    assert comparison.probability_of_improvement == 1
    assert comparison.relative is not None
    assert -1 < comparison.relative < -0.5


def test_swapping_two_arms_flips_the_sign() -> None:
    (forth,) = _run(_SAID, {"base": _POOR, "lora": _GOOD}).comparisons
    (back,) = _run(_SAID, {"base": _GOOD, "lora": _POOR}).comparisons
    assert back.wer_difference == -forth.wer_difference
    assert back.ci95 == pytest.approx((-forth.ci95[1], -forth.ci95[0]))
    assert back.p_value == forth.p_value


def test_the_same_seed_gives_the_same_scores() -> None:
    utterances = [_utterance(f"u{i}", text) for i, text in enumerate(_SAID)]
    rows = [Hypothesis(f"u{i}", "base", text) for i, text in enumerate(_GOOD)]
    assert score_run(utterances, rows, seed=1) == score_run(utterances, rows, seed=1)
    one, two = score_run(utterances, rows, seed=1), score_run(utterances, rows, seed=2)
    assert one.arm("base").wer == two.arm("base").wer
    assert one.seed != two.seed


def test_a_run_says_what_it_resampled() -> None:
    scores = _run(_SAID, {"base": _GOOD})
    assert (scores.blocks, scores.n_blocks) == ("recording", 30)
    assert scores.caveat is not None
    assert (scores.normaliser, scores.normaliser_version) == (
        "spoken-en",
        get_normaliser("spoken-en").version,
    )


def test_unlabelled_utterances_are_listed() -> None:
    utterances = [_utterance("u0", "one"), _utterance("u1", None)]
    rows = [Hypothesis(name, "base", "one") for name in ("u0", "u1")]
    scores = score_run(utterances, rows)
    assert scores.unlabelled == ("u1",)
    assert scores.arm("base").utterances == 1


def test_a_run_in_which_all_failed_has_no_rates() -> None:
    scores = score_run([_utterance("u0", "one")], [Hypothesis("u0", "base", "", error="broken")])
    assert scores.arm("base").wer is None
    assert scores.arm("base").wer_ci95 is None
    assert scores.comparisons == ()
    assert scores.left_out == ("u0",)


def test_confusions_are_counted_over_utterances() -> None:
    scores = _run(["go port", "go port now"], {"base": ["go part", "go part please"]})
    counted = confusions(scores.utterances)
    assert counted["port", "part"] == 2
    assert counted["now", "please"] == 1
    assert not [pair for pair in counted if pair[0] == pair[1]]


def test_a_later_row_replaces_a_failed_one() -> None:
    rows = [Hypothesis("u0", "base", "", error="interrupted"), Hypothesis("u0", "base", "one")]
    for order in (rows, rows[::-1]):
        assert score_run([_utterance("u0", "one")], order).arm("base").wer == 0


def test_contradicting_rows_are_refused() -> None:
    rows = [Hypothesis("u0", "base", "one"), Hypothesis("u0", "base", "two")]
    with pytest.raises(DataError, match="'u0': two different texts from arm 'base'"):
        score_run([_utterance("u0", "one")], rows)


def test_a_hypothesis_of_another_set_is_refused() -> None:
    with pytest.raises(DataError, match=r"'elsewhere'.*not in the manifest"):
        score_run([_utterance("u0", "one")], [Hypothesis("elsewhere", "base", "one")])


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(DataError, match="'u0': stands 2 times"):
        score_run([_utterance("u0", "one"), _utterance("u0", "two")], [])


def test_nothing_to_score_is_said() -> None:
    with pytest.raises(DataError, match="no hypotheses"):
        score_run([_utterance("u0", "one")], [])
    with pytest.raises(DataError, match="no utterance has a reference"):
        score_run([_utterance("u0", None)], [Hypothesis("u0", "base", "one")])


def test_an_unknown_normaliser_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown"):
        score_run([_utterance("u0", "one")], [Hypothesis("u0", "base", "one")], "klingon")
