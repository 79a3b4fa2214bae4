"""`scripts/no_labels` compares what each way leaves of the labelled gain."""

from __future__ import annotations

import argparse
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asr_adapt.records import Utterance

SCRIPT = Path(__file__).parent.parent / "scripts" / "no_labels"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The functions of the script, without running it."""
    return runpy.run_path(str(SCRIPT))


def report(lora: float, bias: float) -> dict[str, Any]:
    wers = {"base": 0.6, "base+bias": 0.4, "lora": lora, "lora+bias": bias}
    arms = [{"name": name, "wer": wer, "wer_ci95": [wer, wer]} for name, wer in wers.items()]
    return {"sets": [{"utterances": 9, "arms": arms}], "run": {"adapter": {"sha256": "0"}}}


def row(name: str, context: tuple[str, ...] = (), **tags: str) -> Utterance:
    path = Path(f"{name}.wav")
    return Utterance(name, path, 0.0, 1.0, reference="Ship on 16.", context=context, tags=tags)


def test_shares_are_parts_of_the_labelled_gain(script: dict[str, Any]) -> None:
    found = script["summary"]({"labelled": report(0.2, 0.1), "pseudo": report(0.4, 0.6)})
    shares = found["share_of_gain"]
    assert shares["labelled"] == {"lora": 1.0, "lora+bias": 1.0}
    assert shares["pseudo"]["lora"] == pytest.approx(0.5)
    assert shares["pseudo"]["lora+bias"] == pytest.approx(-2 / 3)
    # Told the context, the gain is what the adapter adds to being told: 0.4 to 0.1.
    told = script["summary"]({"labelled": report(0.2, 0.1), "pseudo": report(0.4, 0.3)})
    assert told["share_of_gain"]["pseudo"]["lora+bias"] == pytest.approx(1 / 3)
    nothing = script["summary"]({"labelled": report(0.6, 0.7)})["share_of_gain"]
    assert nothing["labelled"] == {"lora": None, "lora+bias": None}


def test_voices_of_the_test_set_are_left_out(script: dict[str, Any]) -> None:
    train = [row(f"u{i}", voice=v) for i, v in enumerate(("flite-slt", "piper-joe", "kokoro-kumo"))]
    real = row("real", voice="an actor")  # speaks no sentence of ours
    assert script["voices_for"]([*train, real, row("quiet")], [row("t", voice="piper-joe")]) == [
        "flite-slt"
    ]


def test_lines_hold_calls_with_their_context(script: dict[str, Any], tmp_path: Path) -> None:
    script["write_lines"](tmp_path / "lines.tsv", [row("a", ("Alma", "Elbe")), row("real")])
    assert (tmp_path / "lines.tsv").read_text() == "Ship on 16.\tAlma|Elbe\n"


def test_recordings_are_calls_and_real_lines_are_replayed_without_their_labels(
    script: dict[str, Any],
) -> None:
    rows = [row("a", ("Alma",)), row("real"), replace(row("quiet", ("Alma",)), reference="")]
    assert [each.utterance_id for each in script["calls_of"](rows)] == ["a"]
    lines = script["real_lines_of"](rows)
    assert [each.utterance_id for each in lines] == ["real"]
    assert [each.reference for each in script["unlabelled"](lines)] == [None]


def test_in_a_second_round_the_labeller_has_learned_from_its_own_labels(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    steps = script["label"].__globals__
    monkeypatch.setitem(steps, "run", lambda *words: ran.append([str(word) for word in words]))
    options = argparse.Namespace(
        out=tmp_path, model="small", labeller="large", keep=1.0, min_confidence=0.6, rounds=2
    )
    assert script["label"](options, ["--epochs", 3]) == tmp_path / "pseudo-2"
    first, learned, second = ran
    adapter = learned[learned.index("--out") + 1]
    assert [words[0] for words in ran] == ["pseudo", "finetune", "pseudo"]
    assert all("large" in words and "small" not in words for words in ran)
    assert learned[1] == str(tmp_path / "pseudo-1" / "train.jsonl")
    assert "--adapter" not in first
    assert second[second.index("--adapter") + 1] == adapter
    assert second[1] == first[1]  # the same recordings, labelled again


def test_rows_are_spread(script: dict[str, Any]) -> None:
    assert script["spread"]("abcdefgh", 4) == ["a", "c", "e", "g"]
    assert script["spread"]("abc", None) == ["a", "b", "c"]
    assert script["spread"]("abc", 5) == ["a", "b", "c"]


def test_help_says_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True
    )
    assert "pseudo" in done.stdout
