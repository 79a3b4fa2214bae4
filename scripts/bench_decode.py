#!/usr/bin/env python3
"""Measure our greedy and beam search against transformers' own cache and processors.

    scripts/bench_decode.py --model whisper-tiny.en --out scripts/results/bench_decode.json

What differs: beams leave the sound in place (`asr_adapt.decode.SharedSound`), and barred tokens are
looked up once (`asr_adapt.suppression`). Made sound in the full window, texts of one length, turn
by turn; both must write the same, to the last bit of the scores. On a processor the clock is the
program's own time, which other programs' work does not lengthen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import EncoderDecoderCache, GenerationConfig, LogitsProcessorList

from asr_adapt import decode
from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.decode import Decoded, SharedSound, generate
from asr_adapt.environment import measured_with
from asr_adapt.files import write_json
from asr_adapt.model import SpeechModel, decoder_start, load_base, pick_device
from asr_adapt.settings import DECODED_TOGETHER
from asr_adapt.window import MAX_FRAMES

TOKENS = 24
BEAMS = (1, 2, 5)


def main() -> None:
    """Read the command line, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", default=["whisper-tiny.en"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    result = {
        "clock": "process_time",
        "clips": DECODED_TOGETHER,
        "tokens": TOKENS,
        "models": {name: measure(name, options.rounds) for name in options.model},
        "command": f"scripts/bench_decode.py --model {' '.join(options.model)}"
        f" --rounds {options.rounds}",
        "threads": torch.get_num_threads(),
        **measured_with("cpu"),
    }
    write_json(options.out, result)
    print(json.dumps(result, indent=1))


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Time one model with each number of beams; ratios are transformers' seconds over ours."""
    model = load_base(resolve_weights(name), pick_device("cpu"))
    torch.manual_seed(1)
    hidden = torch.randn(DECODED_TOGETHER, MAX_FRAMES, model.whisper.config.d_model)
    return {f"{beams} beams": compare(model, hidden, beams, rounds) for beams in BEAMS}


def compare(model: SpeechModel, hidden: torch.Tensor, beams: int, rounds: int) -> dict[str, float]:
    """Return median seconds of transformers' way and of ours; the first round warms up."""
    theirs: list[float] = []
    ours: list[float] = []
    for i in range(rounds + 1):
        with transformers_own():
            their_s, their_texts = timed(model, hidden, beams)
        our_s, our_texts = timed(model, hidden, beams)
        if their_texts != our_texts:
            raise SystemExit(f"{model.name}, {beams} beams: the texts differ")
        if i:
            theirs.append(their_s)
            ours.append(our_s)
    their_s, our_s = statistics.median(theirs), statistics.median(ours)
    return {
        "transformers_s": round(their_s, 3),
        "ours_s": round(our_s, 3),
        "ratio": round(their_s / our_s, 2),
    }


@contextmanager
def transformers_own() -> Iterator[None]:
    """Search as transformers does: its cache, and its processors for barred tokens."""
    ours = decode.search_settings

    def settings(model: SpeechModel, *rest: int) -> GenerationConfig:
        own, chosen = model.whisper.generation_config, ours(model, *rest)
        chosen.suppress_tokens = own.suppress_tokens
        chosen.begin_suppress_tokens = own.begin_suppress_tokens
        return chosen

    with (
        patch.object(SharedSound, "reorder_cache", EncoderDecoderCache.reorder_cache),
        patch.object(decode, "search_settings", settings),
        patch.object(decode, "processors", lambda *_: LogitsProcessorList()),
    ):
        yield


def timed(model: SpeechModel, hidden: torch.Tensor, beams: int) -> tuple[float, list[Decoded]]:
    """Decode encoder outputs and return the seconds and the texts."""
    starts = [decoder_start(model, "en")] * len(hidden)
    started = time.process_time()
    texts = generate(model, hidden, starts, [TOKENS] * len(hidden), beams)
    return time.process_time() - started, texts


if __name__ == "__main__":
    main()
