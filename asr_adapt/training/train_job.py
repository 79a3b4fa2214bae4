"""What one training run is for: data, settings and seed, the same again when it is resumed.

Says whether an adapter that is there already is what a job would train. Refuses (UsageError) one of
another job, naming what differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr_adapt.adapter import CARD_NAME, AdapterCard, read_card
from asr_adapt.errors import UsageError
from asr_adapt.manifest import utterances_sha256
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
        report_to: where the Trainer logs as well; ``tensorboard`` beside the adapter.
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


def job_identity(job: TrainJob, base_sha256: str) -> dict[str, Any]:
    """Return what must be the same for a run to be resumed, as JSON."""
    identity = {
        "settings": asdict(job.settings),
        "prompts": asdict(job.prompts),
        "normaliser": job.normaliser,
        "seed": job.seed,
        "base_sha256": base_sha256,
        **data_digests(job),
    }
    return dict(json.loads(json.dumps(identity)))


def data_digests(job: TrainJob) -> dict[str, str]:
    """Return a checksum of each part of the data, by the part's name."""
    parts = {"train": job.train, "dev": job.dev, "general": job.general}
    return {name: utterances_sha256(rows) for name, rows in parts.items()}


def finished_adapter(folder: Path, job: TrainJob, base_sha256: str) -> AdapterCard | None:
    """Return the card of the adapter in a folder that this job trained; None if there is none yet.

    Raises:
        DataError: there is one, and it is damaged.
        UsageError: there is one, and another job trained it; the message says what differs.
    """
    if not (folder / CARD_NAME).exists():
        return None
    card = read_card(folder)
    if differing := sorted(_differences(card, job, base_sha256)):
        raise UsageError(
            f"{folder}: holds the adapter of another run, which differs in "
            f"{', '.join(differing)}; use the same, or another --out"
        )
    return card


def _differences(card: AdapterCard, job: TrainJob, base_sha256: str) -> Iterator[str]:
    asked = job_identity(job, base_sha256)
    trained: dict[str, Any] = {
        "settings": _leaves(card.settings),
        "prompts": {"template": card.prompt_template, "budget_tokens": card.prompt_budget_tokens},
        "normaliser": card.normaliser,
        "seed": card.seed,
        "base_sha256": card.base_sha256,
        **card.data_sha256,
    }
    asked["settings"] = _leaves(asked["settings"])
    for key, value in asked.items():
        if isinstance(value, dict):
            yield from (f"{key}.{k}" for k in value if value[k] != trained[key].get(k))
        elif value != trained[key]:
            yield "the model" if key == "base_sha256" else key


def _leaves(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested table by their dotted names, as JSON has them."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = list(value) if isinstance(value, tuple) else value
    return found
