"""Which labels are kept: by a stated rule, each refusal with its reason, nothing lost."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr_adapt.errors import DataError, UsageError
from asr_adapt.manifest import read_manifest
from asr_adapt.records import Utterance
from asr_adapt.unlabelled.agreement import Vote
from asr_adapt.unlabelled.pseudo import (
    KeepRule,
    judge,
    pseudo_record,
    without_text,
    write_labels,
)
from asr_adapt.words.text import get_normaliser

RAW = get_normaliser("raw").function
ALL = KeepRule(0.0)


def clip(name: str, seconds: float = 2.0) -> Utterance:
    return Utterance(name, Path(f"{name}.wav"), 0.0, seconds)


def opinion(name: str, sure: float = 1.0, text: str = "ship ahoy there") -> Vote:
    return Vote(name, text, sure, sure, ((text, 4),))


def judged(votes: list[Vote], rule: KeepRule) -> dict[str, str]:
    clips = [clip(v.utterance_id) for v in votes]
    return {v.utterance.utterance_id: v.reason for v in judge(clips, votes, rule, RAW)}


def test_characters_without_spaces_between_words_are_not_taken_for_fast_speech() -> None:
    """Eight characters of Japanese a second are a fast talker, eight words are nobody."""
    votes = [
        opinion("ja", text="次の便は三番線から出ます。注意して"),
        opinion("en", text="we go " * 8),
    ]
    clips = [clip(vote.utterance_id) for vote in votes]
    japanese, english = judge(clips, votes, ALL, get_normaliser("basic").function)
    assert japanese.reason == "kept"
    assert english.reason.startswith("too fast")


def test_each_refusal_says_why() -> None:
    votes = [
        opinion("good"),
        opinion("unsure", 0.3),
        replace(opinion("loop"), flags=("loop",)),
        replace(opinion("torn", text=""), error="torn file"),
        opinion("fast", text="go " * 20),
        opinion("slow", text=""),
    ]
    reasons = judged(votes, KeepRule(0.5))
    assert reasons.pop("good") == "kept"
    starts = {name: reason.partition(":")[0] for name, reason in reasons.items()}
    assert starts == {
        "unsure": "doubtful",
        "loop": "flagged",
        "torn": "sound",
        "fast": "too fast",
        "slow": "too slow",
    }


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.randoms(use_true_random=False),
)
# Two whose doubts are both 1.
@example([0.0, 8.8e-93], 0.5, 0.0, Random(1))  # noqa: S311 - an order, no secret
def test_the_kept_are_the_most_confident(  # type: ignore[no-untyped-def]
    sure: list[float], share: float, least: float, random
) -> None:
    votes = [opinion(f"u{i}", s) for i, s in enumerate(sure)]
    reasons = judged(votes, KeepRule(least, share))
    kept = {v.utterance_id for v in votes if reasons[v.utterance_id] == "kept"}
    assert len(kept) <= share * len(votes) + 1e-9
    assert all(v.confidence >= least for v in votes if v.utterance_id in kept)
    passed = [v for v in votes if v.confidence >= least]
    lost = [v for v in passed if v.utterance_id not in kept]
    worst = min((v.confidence for v in votes if v.utterance_id in kept), default=1.0)
    assert all(v.confidence <= worst for v in lost)
    assert judged(random.sample(votes, len(votes)), KeepRule(least, share)) == reasons


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((1.1,), "min_confidence"), ((0.5, 0.0), "best_share"), ((0.5, 1.0, 7.0), "words_per_s")],
)
def test_rules_that_make_no_sense_are_refused(arguments: tuple[float, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        KeepRule(*arguments)


def test_files_hold_every_clip_and_the_kept_labels(tmp_path: Path) -> None:
    clips = [clip("a"), clip("b"), clip("c")]
    votes = [opinion("a", 0.9), opinion("b", 0.2), opinion("c", 0.7)]
    verdicts = judge(clips, votes, KeepRule(0.5), RAW)
    write_labels(tmp_path, verdicts)
    kept = read_manifest(tmp_path / "train.jsonl", allow_outside=True)
    assert [u.utterance_id for u in kept] == ["a", "c"]
    assert kept[0].reference == "ship ahoy there"
    assert kept[0].tags["pseudo_confidence"] == "0.90"
    with (tmp_path / "review.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["b", "c", "a"]
    assert rows[0]["verdict"].startswith("doubtful")
    record = pseudo_record(verdicts, KeepRule(0.5), "raw", ["asr-adapt"])
    assert record["clips"] == sum(record["reasons"].values()) == 3
    assert record["kept"] == 2


def test_no_good_label_is_an_error_that_leaves_the_review(tmp_path: Path) -> None:
    verdicts = judge([clip("a")], [opinion("a", 0.1)], KeepRule(0.5), RAW)
    with pytest.raises(DataError, match=r"review\.csv"):
        write_labels(tmp_path, verdicts)
    assert (tmp_path / "review.csv").exists()
    assert not (tmp_path / "train.jsonl").exists()


def test_only_speech_without_text_is_labelled() -> None:
    told = replace(clip("told"), reference="x")
    assert without_text([told, clip("new")]) == [clip("new")]
    with pytest.raises(DataError, match="have a text"):
        without_text([told])
