"""`scripts/window_first` teaches what the base model writes, and merges all of an adapter."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from asr_adapt.adapter import read_card, write_card
from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.model import load_base, with_adapter
from asr_adapt.records import Hypothesis
from asr_adapt.training.lessons import Lesson, keyed
from asr_adapt.training.teacher import with_lessons
from tests.toys import CPU, toy_base, toy_job, toy_rows, train_toy

SCRIPT = Path(__file__).parent.parent / "scripts" / "window_first"


@pytest.fixture(scope="module")
def script() -> Mapping[str, Any]:
    """The functions of the script, without running it."""
    return runpy.run_path(str(SCRIPT))


def test_the_new_base_has_all_of_the_adapter(
    script: Mapping[str, Any], toy: Path, tmp_path: Path
) -> None:
    train_toy(toy, toy_job(toy), tmp_path / "adapter")
    write_card(tmp_path / "adapter", replace(read_card(tmp_path / "adapter"), strength=0.4))
    folder = script["merged"](str(toy / "model"), tmp_path / "adapter", tmp_path / "base")
    made = load_base(resolve_weights(str(folder)), CPU).whisper.state_dict()
    adapted = with_adapter(toy_base(toy), tmp_path / "adapter", strength=1.0).whisper.state_dict()
    assert all(torch.equal(made[name], tensor) for name, tensor in adapted.items())
    untouched = toy_base(toy).whisper.state_dict()
    assert any(not torch.equal(made[name], tensor) for name, tensor in untouched.items())


def test_what_was_written_becomes_the_text(script: Mapping[str, Any], toy: Path) -> None:
    clips = toy_rows(toy, "dev")[:4]
    texts = (("on and on and on", ("loop",)), ("one", ()), ("", ("empty",)), ("two", ()))
    found = {
        key: Lesson(Hypothesis(key, "base", text, None, flags=flags), None)
        for (key, _), (text, flags) in zip(keyed(clips), texts, strict=True)
    }
    kept = script["half_clean"](with_lessons(keyed(clips), found)[0])
    assert [(row.utterance_id, row.reference) for row in kept] == [
        (clips[1].utterance_id, "one"),
        (clips[3].utterance_id, "two"),
    ]
    assert [row.tags["channel"] for row in kept] == ["none", "clean"]
