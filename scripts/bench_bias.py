#!/usr/bin/env python3
"""Measure what a long list of boosted phrases costs: building its tree, and decoding with it.

    scripts/bench_bias.py --out scripts/results/bench_bias.json

Speaks eight calls with a synthetic voice, decodes them in one batch with and without 10 000 made
names boosted, turn by turn, and compares the time of a decoder step. On a processor the clock is
the program's own time, which other programs' work does not lengthen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hibari
import numpy as np
import torch
from scipy.signal import resample_poly

from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.context.boosting import BoostPlan
from asr_adapt.context.plans import phrase_boost
from asr_adapt.decode import encode_sounds, generate
from asr_adapt.environment import measured_with
from asr_adapt.files import write_json
from asr_adapt.model import SpeechModel, load_base, pick_device, prompted_start
from asr_adapt.settings import BoostSettings

CALLS = (
    "{0}, this is {1}, good morning, over.",
    "{1}, {0}, switch to channel one two and report at the sea buoy.",
    "All ships, all ships, this is {0}, gale warning for the northern coast.",
    "{0}, {1} requests a pilot at two one zero zero local time.",
)
SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "ra",
    "ne",
    "to",
    "su",
    "vi",
    "dor",
    "mar",
    "ste",
    "fel",
    "gar",
    "bro",
)
WORDS = 250
MAX_NEW_TOKENS = 60


def main() -> None:
    """Read the command line, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--phrases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model = load_base(resolve_weights(options.model), pick_device(options.device))
    clock = clock_of(model.device)
    names = make_names(options.phrases, options.seed)
    result = {
        "model": options.model,
        "phrases": len(names),
        "examples": names[:3],
        "boost": asdict(BoostSettings()),
        "clock": clock.__name__,
        **measure_building(model, names, options.rounds, clock),
        **measure_decoding(model, names, options.rounds, clock),
        "command": f"scripts/bench_bias.py --model {options.model} --phrases {options.phrases}"
        f" --rounds {options.rounds} --seed {options.seed} --device {options.device}",
        "threads": torch.get_num_threads(),
        **measured_with(str(model.device)),
    }
    write_json(options.out, result)
    print(json.dumps(result, indent=1))


def clock_of(device: torch.device) -> Callable[[], float]:
    """Return the program's own time on a processor, the time that passes on a GPU."""
    if device.type == "cpu":
        return time.process_time

    def perf_counter() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return perf_counter


def make_names(n: int, seed: int) -> list[str]:
    """Make ``n`` names of two words, from words as many as a port's ships share."""
    rng = random.Random(seed)  # noqa: S311 - made names, not secrets
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).title()] = None
    pairs = list(itertools.permutations(words, 2))
    return [" ".join(pair) for pair in rng.sample(pairs, n)]


def plan(model: SpeechModel, names: Sequence[str], rows: int = 8) -> BoostPlan:
    """Plan the boosting of one list for all rows."""
    made = phrase_boost(model, names, {str(i): () for i in range(rows)}, BoostSettings())
    if made is None:
        raise SystemExit("nothing to boost")
    return made


def measure_building(
    model: SpeechModel, names: Sequence[str], rounds: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Time the building of the tree, tokenising included; the first time is left out."""
    plan(model, names)
    seconds = []
    for _ in range(rounds):
        started = clock()
        made = plan(model, names)
        seconds.append(clock() - started)
    return {
        "nodes": len(made.tables.nodes),
        "build_s": round(statistics.median(seconds), 3),
        "build_s_rounds": [round(s, 3) for s in seconds],
    }


def measure_decoding(
    model: SpeechModel, names: Sequence[str], rounds: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Time decoder steps with and without the names, in turns, and the encoder for comparison."""
    sounds = speak(names)
    started = clock()
    hidden = encode_sounds(model, sounds, 1500)
    encode_s = clock() - started
    starts = [prompted_start(model, (), "en")] * len(sounds)
    boosts = {"plain": None, "boosted": plan(model, names).rows([str(i) for i in range(8)])}
    steps: dict[str, list[float]] = {name: [] for name in boosts}
    whole: dict[str, list[float]] = {name: [] for name in boosts}
    for i in range(rounds + 1):
        for name, boost in boosts.items():
            with counted_steps(model) as made:
                started = clock()
                generate(model, hidden, starts, [MAX_NEW_TOKENS] * len(starts), 1, boost)
                seconds = clock() - started
            if i:  # the first round warms up
                steps[name].append(seconds / len(made))
                whole[name].append(seconds)
    step_ratios = [b / a for a, b in zip(steps["plain"], steps["boosted"], strict=True)]
    step_s = {name: statistics.median(values) for name, values in steps.items()}
    extra_s = (step_s["boosted"] - step_s["plain"]) * len(made)
    return {
        "batch_size": len(sounds),
        "encode_s": round(encode_s, 3),
        "search_s": {name: round(statistics.median(v), 4) for name, v in whole.items()},
        "step_s": {name: round(value, 5) for name, value in step_s.items()},
        "step_ratio": round(statistics.median(step_ratios), 4),
        "step_ratio_rounds": [round(ratio, 4) for ratio in step_ratios],
        "decode_ratio": round(1 + extra_s / (encode_s + step_s["plain"] * len(made)), 4),
    }


@contextmanager
def counted_steps(model: SpeechModel) -> Iterator[list[int]]:
    """Count the steps of the decoder: the length of the list that is yielded."""
    made: list[int] = []
    hook = model.whisper.model.decoder.register_forward_hook(lambda *_: made.append(1))
    try:
        yield made
    finally:
        hook.remove()


def speak(names: Sequence[str]) -> list[np.ndarray]:
    """Speak eight calls with names of the list; 16 kHz."""
    voice = hibari.Hibari()
    calls = [CALLS[i % len(CALLS)].format(names[2 * i], names[2 * i + 1]) for i in range(8)]
    return [resample_poly(voice(call), 2, 3).astype(np.float32) for call in calls]


if __name__ == "__main__":
    main()
