"""asr-adapt from Python: write down a recording, measure two arms, train and hand on.

    python docs/example.py CALLS.csv WATCH.wav OUT [TRAIN.csv]

CALLS.csv is labelled speech to test on (columns audio, text, speaker), WATCH.wav any recording.
"""

# ruff: noqa: T201 - an example shows what it got

from __future__ import annotations

import sys
from pathlib import Path

import asr_adapt
from asr_adapt.settings import LoraSettings, TrainSettings

NAMES = ["Nordic Star", "Weser Traffic", "Cuxhaven"]
"""What may be said: the ships in range, the places at hand."""


def main(
    calls: Path, watch: Path, out: Path, train: Path | None, model: str = "whisper-tiny.en"
) -> None:
    """Use each function of the package once."""
    for path in asr_adapt.transcribe(watch, model=model, out=out / "texts", formats=["txt"]):
        print(f"{path.name}: {path.read_text()}")

    report = asr_adapt.evaluate(calls, model=model, bias=NAMES, out=out / "untrained")
    for arm in report.primary.scores.arms:
        print(f"{arm.arm}: {arm.words.errors} errors in {arm.words.reference_length} words")

    if train is None:
        return
    settings = TrainSettings(epochs=1, lora=LoraSettings(rank=8))
    card = asr_adapt.finetune(train, model=model, settings=settings, out=out / "adapter")
    print(f"{card.label_minutes:.1f} min of labels, {card.training_s:.0f} s of training")
    asr_adapt.evaluate(
        calls,
        model=model,
        adapter=out / "adapter",
        bias=NAMES,
        arms=["lora", "lora+bias"],
        out=out / "trained",
    )
    deployed = asr_adapt.export(out / "adapter", model=model, out=out / "deploy", check=calls)
    for way in deployed.compared:
        print(f"{way.name}: {way.errors.errors} errors")
    both = asr_adapt.report([out / "untrained", out / "trained"], out / "report")
    print(f"{len(both.primary.scores.arms)} arms on one page: {out / 'report' / 'report.html'}")


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    main(paths[0], paths[1], paths[2], paths[3] if len(paths) > 3 else None)
