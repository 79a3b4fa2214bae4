"""Training as commands and recipes run it: under a display, going on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asr_adapt.adapter import AdapterCard
from asr_adapt.model import SpeechModel
from asr_adapt.progress import ProgressDisplay
from asr_adapt.stopping import StopRequest
from asr_adapt.training.callbacks import TrainStatus
from asr_adapt.training.train import finetune
from asr_adapt.training.train_job import TrainJob


def train_watched(
    base: SpeechModel,
    job: TrainJob,
    folder: Path,
    resume: bool,
    stop: StopRequest,
    display: ProgressDisplay,
) -> AdapterCard:
    """Train into an adapter folder and show how it goes; see `training.train.finetune`."""
    return finetune(
        base,
        job,
        folder,
        resume=resume,
        stop=stop,
        observer=training_line(display),
        notice=display.say,
        progress_for=display.start,
    )


def has_begun(folder: Path) -> bool:
    """Whether training into this folder was begun and not finished."""
    return (folder / "training" / "job.json").exists()


def training_line(display: ProgressDisplay) -> Callable[[TrainStatus], None]:
    """Return an observer that shows loss, dev WER, speed and time left."""
    update = display.start_titled()

    def observe(status: TrainStatus) -> None:
        parts = ["training"]
        if status.loss is not None:
            parts.append(f"loss {status.loss:.3f}")
        if status.dev_wer is not None:
            parts.append(f"dev WER {100 * status.dev_wer:.1f} %")
        if status.audio_per_s is not None:
            parts.append(f"{status.audio_per_s:.0f} s of audio a second")
        update("  ".join(parts), status.step, status.steps)

    return observe
