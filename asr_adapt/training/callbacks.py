"""What is done at the steps of the Trainer: a stop is heeded, time is noted, and news are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from asr_adapt.files import write_whole
from asr_adapt.stopping import StopRequest
from asr_adapt.training.selection import DevSelection


@dataclass(frozen=True, slots=True)
class TrainStatus:
    """Where a training run stands.

    Attributes:
        step: optimizer steps done.
        steps: optimizer steps of the whole run.
        loss: mean loss of the last logged steps; None before the first.
        dev_wer: dev word error rate of the newest candidate, a fraction; None before the first.
        audio_per_s: seconds of audio trained on in a second; None before the first step.
    """

    step: int
    steps: int
    loss: float | None
    dev_wer: float | None
    audio_per_s: float | None


Observer = Callable[[TrainStatus], None]


class StopAtStep(TrainerCallback):  # type: ignore[misc]
    """Ends training after the current step, with a checkpoint, when a stop was requested."""

    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Ask the Trainer to save and stop."""
        if self.stop.signal_name and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True
        return control


class Watch(TrainerCallback):  # type: ignore[misc]
    """Tells the observer how training goes."""

    def __init__(
        self,
        audio_s: Sequence[float],
        selection: DevSelection,
        observer: Observer | None,
        *,
        before: int,
        steps: int,
    ) -> None:
        self.audio_s = audio_s
        self.selection = selection
        self.observer = observer
        self.before = before
        self.steps = steps
        self.trained_s = 0.0
        self.began = time.monotonic()
        self.loss: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Note the loss."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Report the step."""
        self.trained_s += self.audio_s[state.global_step - 1]
        if not self.observer:
            return
        measured = self.selection.results()
        self.observer(
            TrainStatus(
                step=self.before + state.global_step,
                steps=self.steps,
                loss=self.loss,
                dev_wer=measured[-1]["wer"] if measured else None,
                audio_per_s=self.trained_s / max(1e-6, time.monotonic() - self.began),
            )
        )


class TrainingClock(TrainerCallback):  # type: ignore[misc]
    """Adds up training time over interruptions, in a file.

    Noted at each checkpoint as well: who is killed notes nothing, and goes on from there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.since = time.monotonic()

    def note(self) -> None:
        """Add the time since the last note."""
        now = time.monotonic()
        write_whole(self.path, json.dumps(self.total_s() + now - self.since))
        self.since = now

    def total_s(self) -> float:
        """Return the seconds that are noted."""
        return float(json.loads(self.path.read_text())) if self.path.exists() else 0.0

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Note the time up to a checkpoint, the measuring of its candidate included."""
        self.note()
