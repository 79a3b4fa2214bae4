"""What one training run is for: data, settings and seed, the same again when it is resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr_adapt.records import Utterance
from asr_adapt.settings import PromptSettings, TrainSettings


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What to train on and how.

    Attributes:
        train: labelled utterances of at most 30 s.
        dev: labelled utterances that choose step and strength; never test speech.
        general: speech from outside the domain, mixed in and measured so that it is not forgotten;
            references are not looked at.
        settings: how weights are trained.
        prompts: how phrases become a prompt.
        normaliser: under which dev WER is counted.
        seed: of weights, batches, prompts and augmentation.
        command: how the run was started, for the record.
        report_to: where the Trainer logs as well.
    """

    train: Sequence[Utterance]
    dev: Sequence[Utterance]
    settings: TrainSettings
    prompts: PromptSettings
    normaliser: str
    seed: int
    general: Sequence[Utterance] = ()
    command: Sequence[str] = ()
    report_to: str = "none"
