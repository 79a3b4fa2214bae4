#!/usr/bin/env python3
"""Measure ways of telling the recogniser names against lists of 10 to 10 000 of them.

    scripts/bench_context.py runs/maritime-demo --known data/demo/maritime/places.txt \
        --out recipes/maritime/results/context/whisper-tiny.en.json

Takes the test set, the base model and the adapter of a finished `asr-adapt run`. Every list holds
the unseen names that are said and others made of the words of all names: up to 100 names a list of
its own for each utterance, beyond that one list for all. The wrong list holds nothing that is said.
Words of said names count as listed in every row, whatever else is on the list.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from asr_adapt.adapter import read_card
from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.context.bias import plain_words, read_bias_list, said_phrases
from asr_adapt.context.bias_file import BiasChoice
from asr_adapt.context.trials import DevSpeech, DevTrials
from asr_adapt.environment import measured_with
from asr_adapt.files import write_json
from asr_adapt.manifest import read_manifest
from asr_adapt.model import SpeechModel, load_base, pick_device, with_adapter
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import Utterance
from asr_adapt.settings import BIAS_MODES, BiasSettings, PromptSettings
from asr_adapt.splits import limited
from asr_adapt.stopping import StopRequest
from asr_adapt.words.text import get_normaliser

OWN_SIZES, SHARED_SIZES, WRONG = (10, 100), (1_000, 10_000), 100


@dataclass(frozen=True, slots=True)
class Lists:
    """What is told: a list for each utterance, by its id, and one for all."""

    name: str
    own: dict[str, tuple[str, ...]]
    shared: tuple[str, ...] = ()


def main() -> None:
    """Read the command line, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished asr-adapt run")
    parser.add_argument("--known", type=Path, help="text file of names that training said")
    parser.add_argument("--limit", type=int, default=100, help="utterances at most, drawn by seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    run = json.loads((options.run / "run.json").read_text(encoding="utf-8"))
    test = run["sets"][0]["name"]
    rows = read_manifest(options.run / "sets" / test / "manifest.jsonl", allow_outside=True)
    known = set(read_bias_list(options.known).phrases) if options.known else set()
    spoken = limited([row for row in rows if row.reference], options.limit, options.seed)
    rng = random.Random(options.seed)  # noqa: S311 - lists, not secrets
    listed = {phrase for row in rows for phrase in row.context}
    made = [name for name in recombined(sorted(known | listed), rng) if name not in known]
    lists = list(make_lists(spoken, known, made, rng))
    result = {
        "set": test,
        "utterances": len(spoken),
        "names_said": sum(len(said_in(u, known)) for u in spoken),
        "model": run["model"]["name"],
        "adapter_sha256": run["adapter"]["sha256"],
        "strength": run["adapter"]["strength"],
        "rows": list(measure_all(run, options.run / "adapter", spoken, lists)),
        "command": " ".join(["scripts/bench_context.py", *sys.argv[1:]]),
        "seed": options.seed,
        **measured_with("cpu"),
    }
    write_json(options.out, result)


def said_in(utterance: Utterance, known: set[str]) -> tuple[str, ...]:
    """Return the unseen names that are said."""
    unseen = [phrase for phrase in utterance.context if phrase not in known]
    return said_phrases(unseen, utterance.reference or "")


def make_lists(
    spoken: Sequence[Utterance], known: set[str], made: Sequence[str], rng: random.Random
) -> Iterator[Lists]:
    """Yield the lists, every one in an order drawn; ``made`` are names to fill them with."""
    said = {u.utterance_id: said_in(u, known) for u in spoken}
    everything = sorted({phrase for each in said.values() for phrase in each})
    texts = " | ".join(plain_words(u.reference or "") for u in spoken)
    unsaid = [name for name in made if plain_words(name) not in texts]
    if len(unsaid) < max(SHARED_SIZES):
        raise SystemExit(f"only {len(unsaid)} names can be made; take a larger test set")

    def filled(names: Sequence[str], size: int) -> tuple[str, ...]:
        others = rng.sample(unsaid, max(0, size - len(names)))
        return tuple(rng.sample([*names, *others], len(names) + len(others)))

    for size in OWN_SIZES:
        yield Lists(str(size), {uid: filled(names, size) for uid, names in said.items()})
    for size in SHARED_SIZES:
        yield Lists(str(size), dict.fromkeys(said, ()), filled(everything, size))
    yield Lists("wrong", {uid: filled((), WRONG) for uid in said})


def recombined(names: Sequence[str], rng: random.Random) -> list[str]:
    """Return names made of the first word of one and the rest of another, in an order drawn."""
    parts = [name.partition(" ") for name in names if " " in name]
    firsts, rests = ({part[i]: None for part in parts} for i in (0, 2))
    made = {f"{first} {rest}": None for first in firsts for rest in rests}
    return rng.sample(list(made), len(made))


def measure_all(
    run: dict[str, Any], adapter: Path, spoken: Sequence[Utterance], lists: Sequence[Lists]
) -> Iterator[dict[str, Any]]:
    """Yield one row for each way of telling each list to either model, and for telling nothing."""
    base = load_base(resolve_weights(run["model"]["name"]), pick_device("auto"))
    yield from measure("base", base, PromptSettings(), run["normaliser"], spoken, lists)
    card = read_card(adapter)
    prompts = PromptSettings(card.prompt_template, card.prompt_budget_tokens)
    tuned = with_adapter(base, adapter, run["adapter"]["strength"])
    yield from measure("lora", tuned, prompts, run["normaliser"], spoken, lists)


def measure(
    weights: str,
    model: SpeechModel,
    prompts: PromptSettings,
    normaliser: str,
    spoken: Sequence[Utterance],
    lists: Sequence[Lists],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one model."""

    def speech(told: Lists) -> DevSpeech:
        rows = [replace(u, context=told.own[u.utterance_id]) for u in spoken]
        return DevSpeech(rows, told.shared, (), prompts, get_normaliser(normaliser).function)

    with ProgressDisplay() as display:
        update = display.start_titled()
        trials = DevTrials(model, speech(lists[0]), StopRequest())
        trials.prepare(partial(update, f"{weights}: encoding"))
        for told in lists:
            under = trials.with_lists(speech(told))
            progress = partial(update, f"{weights}, list {told.name}")
            plain = under.measure_untold(BiasChoice().beam_size, progress)
            yield {"arm": weights, "list": told.name, **asdict(plain)}
            for mode in BIAS_MODES:
                arm = f"{weights}+{mode}"
                progress = partial(update, f"{arm}, list {told.name}")
                measured = under.measure(BiasChoice(BiasSettings(mode=mode)), progress)
                yield {"arm": arm, "list": told.name, **asdict(measured)}


if __name__ == "__main__":
    main()
