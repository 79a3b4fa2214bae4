#!/usr/bin/env python3
"""Measure what bfloat16 brings on this processor: a training step, the encoder, and decoding.

    scripts/bench_precision.py --model whisper-tiny.en --out scripts/results/bench_precision.json

The same work in float32 and in bfloat16, turn by turn, on made sound: what is heard does not change
the time. On a processor the clock is the program's own time, which other programs' work does not
lengthen. `asr_adapt.model.computes_bfloat16` says where bfloat16 is used; this says whether it is
right.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, GenerationMixin
from transformers.modeling_outputs import BaseModelOutput

from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.environment import measured_with
from asr_adapt.files import write_json
from asr_adapt.model import (
    SpeechModel,
    computes_bfloat16,
    decoder_start,
    encode,
    load_base,
    pick_device,
    spare_casts,
    with_new_lora,
)
from asr_adapt.settings import TrainSettings
from asr_adapt.training.dataset import IGNORED_LABEL, collate_targets
from asr_adapt.training.trainer import training_loss
from asr_adapt.window import MAX_FRAMES

BATCH = 8
CALL_FRAMES = 450  # a call of six seconds and its slack
PROMPT_TOKENS, TEXT_TOKENS = 40, 24
PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Read the command line, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", default=["whisper-tiny.en"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    device = pick_device("cpu")
    result = {
        "clock": "process_time",
        "uses_bfloat16": computes_bfloat16(device),
        "models": {name: measure(name, options.rounds) for name in options.model},
        "command": f"scripts/bench_precision.py --model {' '.join(options.model)}"
        f" --rounds {options.rounds}",
        "threads": torch.get_num_threads(),
        **measured_with("cpu"),
    }
    write_json(options.out, result)
    print(json.dumps(result, indent=1))


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Time each kind of work of one model in both precisions; ratios are float32's over ours."""
    model = load_base(resolve_weights(name), pick_device("cpu"))
    torch.manual_seed(1)
    sound = torch.randn(BATCH, model.feature_extractor.feature_size, 2 * MAX_FRAMES)
    with torch.inference_mode():
        hidden = encode(model.whisper, sound)
    trained = {precision: with_lora(model, precision) for precision in PRECISIONS}
    batch = made_batch(sound[:, :, : 2 * CALL_FRAMES])
    works: Mapping[str, Callable[[str], Any]] = {
        "training_step": lambda precision: train_only(trained[precision], batch),
        "encode_full_window": lambda _: encode_only(model, sound),
        "decode_a_token_at_a_time": lambda _: decode_only(model, hidden),
    }
    return {key: compare(work, rounds) for key, work in works.items()}


def with_lora(model: SpeechModel, precision: str) -> SpeechModel:
    """Return a copy of a model that is trained as in that precision."""
    settings = TrainSettings()
    copied = replace(model, network=copy.deepcopy(model.network), window=settings.window)
    trained = with_new_lora(copied, settings.lora, seed=1)
    if precision == "bfloat16":
        spare_casts(trained)
    return trained


def compare(work: Callable[[str], Any], rounds: int) -> dict[str, float]:
    """Return median seconds in both precisions and their ratio; the first round warms up.

    Args:
        work: told the precision, which autocast sees to.
        rounds: how often each is timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    for i in range(rounds + 1):
        for name in PRECISIONS:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bfloat16"):
                started = time.process_time()
                work(name)
                if i:
                    seconds[name].append(time.process_time() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["float32"] / medians["bfloat16"]
    return {**{f"{k}_s": round(v, 3) for k, v in medians.items()}, "ratio": round(ratio, 2)}


def made_batch(features: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return a training batch of made tokens, told a prompt and labelled with a text."""
    length = PROMPT_TOKENS + TEXT_TOKENS
    tokens = torch.randint(1000, 2000, (BATCH, length))
    labels = tokens.clone()
    labels[:, :PROMPT_TOKENS] = IGNORED_LABEL
    targets = collate_targets(labels, [None] * BATCH)
    return {
        "input_features": features,
        "decoder_input_ids": tokens,
        "labels": labels,
        **targets,
    }


def train_only(model: SpeechModel, batch: dict[str, torch.Tensor]) -> None:
    """Take the loss of a batch and its gradients."""
    training_loss(model, batch).backward()  # type: ignore[no-untyped-call]


@torch.inference_mode()
def encode_only(model: SpeechModel, features: torch.Tensor) -> None:
    """Encode a batch."""
    encode(model.whisper, features)


@torch.inference_mode()
def decode_only(model: SpeechModel, hidden: torch.Tensor) -> None:
    """Write a text of fixed length after each encoder output."""
    start = torch.tensor([decoder_start(model, "en")] * BATCH)
    end = model.whisper.generation_config.eos_token_id
    length = start.shape[1] + TEXT_TOKENS
    fixed = GenerationConfig(
        min_length=length,
        max_length=length,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        decoder_start_token_id=model.whisper.generation_config.decoder_start_token_id,
    )
    GenerationMixin.generate(
        model.whisper,
        generation_config=fixed,
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        attention_mask=torch.ones(hidden.shape[:2], dtype=torch.long),
        decoder_input_ids=start,
    )


if __name__ == "__main__":
    main()
