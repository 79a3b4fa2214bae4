"""Barred tokens: those of transformers' own processors, and the end where silence was learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from asr_adapt.suppression import Suppression, suppression
from tests.toys import CPU, toy_base

VOCABULARY, FIRST = 50, 4


@pytest.mark.parametrize("always", [[3, 7, 49], [], [-1, 3, 50]], ids=["some", "none", "odd"])
@pytest.mark.parametrize("at_first", [[7, 20], [], [7, 99]], ids=["some", "none", "odd"])
@pytest.mark.parametrize("length", [FIRST, FIRST + 1, FIRST + 9])
def test_it_bars_what_transformers_own_processors_bar(
    always: list[int], at_first: list[int], length: int
) -> None:
    torch.manual_seed(1)
    scores, ids = torch.randn(6, VOCABULARY), torch.zeros(6, length, dtype=torch.long)
    given = scores.clone()
    theirs = LogitsProcessorList(
        [
            SuppressTokensLogitsProcessor(always),
            SuppressTokensAtBeginLogitsProcessor(at_first, FIRST),
        ]
    )
    ours = Suppression(always, at_first, FIRST, VOCABULARY, CPU)
    assert torch.equal(ours(ids, scores), theirs(ids, scores))
    assert torch.equal(scores, given)  # the model's own, from which log-probabilities are read


@pytest.mark.parametrize("others", [[7], []], ids=["others", "the end alone"])
def test_only_what_has_learned_silence_may_write_nothing(
    toy: Path, others: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whisper's first token is never the end; an adapter that heard silence may begin with it."""
    model = toy_base(toy)
    end = model.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    settings = model.whisper.generation_config
    monkeypatch.setattr(settings, "begin_suppress_tokens", [*others, end])
    monkeypatch.setattr(settings, "suppress_tokens", [])
    assert suppression(model, FIRST).at_first.tolist() == sorted([*others, end])
    learned = replace(model, hears_silence=True)
    assert suppression(learned, FIRST).at_first.tolist() == others
