"""The card that lies beside the weights of an adapter: everything needed to use it rightly.

An adapter folder holds the weights (``adapter_model.safetensors`` with ``adapter_config.json`` for
LoRA, a transformers folder for a full fine-tune) and ``asr_adapt.json``, the card.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import file_sha256, write_whole
from asr_adapt.settings import applies_in_part
from asr_adapt.window import Window

CARD_NAME = "asr_adapt.json"
CARD_VERSION = 2


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """What an adapter was made from and how it is to be used.

    Attributes:
        method: ``lora`` or ``full``.
        base_name: the base model as the user named it.
        base_sha256: checksum of the base weights; other weights are refused.
        window_slack_frames: the trimmed window it was trained with; None for the full one.
        window_least_frames: its shortest window.
        prompt_template: how phrases become a prompt.
        prompt_budget_tokens: longest prompt seen in training.
        normaliser: the normaliser that dev WER was measured with.
        strength: factor on the learned change, 1 for all of it; chosen on dev speech.
        strength_wer: dev WER at each strength tried, and by how much it is behind the best one, as
            `asr_adapt.training.strength.strength_rows` says it.
        averaged: the steps whose weights were averaged, of one run or of its members, the dev WER
            of the average, and whether the adapter is it: ``{"steps": [..], "wer": ..,
            "chosen": ..}``; None where none were.
        data_sha256: checksums of the rows of ``train``, ``dev`` and ``general``.
        seed: of batches, prompts, augmentation and initial weights.
        weights_sha256: checksum of the adapter's own weights.
        label_minutes: minutes of labelled audio in training, each utterance counted once.
        hears_silence: whether it was trained on clips without speech, and may write nothing.
        training_s: seconds of training, dev decoding included.
        trainable_parameters: how many numbers were trained.
        steps: optimizer steps of the whole run, all members after each other.
        chosen_step: the step whose weights these are; of an average, the last step in it.
        dev_wer: the dev word error rate at each candidate step, ``{"step": .., "wer": ..}``.
        training_curve: loss at logged steps, ``{"step": .., "loss": ..}``.
        trained_on: fingerprint of training and dev data (`asr_adapt.splits.Fingerprint`), by which
            test speech among it is found.
        phrases: context phrases that were said in training.
        settings: the training settings in full.
        versions: of asr-adapt, torch, transformers, peft.
        command: how it was made.
        languages: ISO 639-1 codes of the labelled speech; empty where the card does not say.
    """

    method: str
    base_name: str
    base_sha256: str
    window_slack_frames: int | None
    window_least_frames: int
    prompt_template: str
    prompt_budget_tokens: int
    normaliser: str
    seed: int
    weights_sha256: str
    label_minutes: float
    hears_silence: bool
    training_s: float
    trainable_parameters: int
    steps: int
    chosen_step: int
    dev_wer: tuple[Mapping[str, float], ...]
    training_curve: tuple[Mapping[str, float], ...]
    trained_on: Mapping[str, Any]
    phrases: tuple[str, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    command: tuple[str, ...]
    data_sha256: Mapping[str, str]
    strength: float = 1.0
    strength_wer: tuple[Mapping[str, float], ...] = ()
    averaged: Mapping[str, Any] | None = None
    languages: tuple[str, ...] = ()
    card_version: int = field(default=CARD_VERSION)

    @property
    def has_strengths(self) -> bool:
        """Whether a part of the change lies between the base model and all of it."""
        return applies_in_part(self.method, self.settings["lora"]["variant"])

    @property
    def window(self) -> Window:
        """The window the adapter decodes with."""
        return Window(self.window_slack_frames, self.window_least_frames)


def not_learned(card: AdapterCard, languages: Iterable[str]) -> str | None:
    """Say that speech is in languages which the adapter did not learn; None where it is not.

    Args:
        card: of the adapter; where it names no languages, nothing is said.
        languages: of the speech, ISO 639-1 codes.
    """
    others = sorted(set(languages) - set(card.languages))
    if not others or not card.languages:
        return None
    return (
        f"the adapter learned {', '.join(card.languages)}, and this speech is read as "
        f"{', '.join(others)}: --language or a column language says what it is"
    )


def weight_file(folder: Path) -> Path:
    """Return the safetensors file of an adapter folder.

    Raises:
        DataError: there is none.
    """
    for name in ("adapter_model.safetensors", "model.safetensors"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: no adapter_model.safetensors or model.safetensors in it")


def write_card(folder: Path, card: AdapterCard) -> None:
    """Write the card into an adapter folder."""
    text = json.dumps(asdict(card), indent=1, sort_keys=True, ensure_ascii=False)
    write_whole(folder / CARD_NAME, text + "\n")


def at_strength(card: AdapterCard, strength: float | None) -> AdapterCard:
    """Return the card with another strength than the one training chose; None changes nothing.

    Raises:
        UsageError: there is no such part of the change.
    """
    if strength is None:
        return card
    if not 0 <= strength <= 1:
        raise UsageError(
            f"strength {strength}: need 0 (the base weights, in the adapter's window) to 1 (all of "
            "the change)"
        )
    if strength < 1 and not card.has_strengths:
        raise UsageError(f"strength {strength}: only a LoRA adapter can be applied in part")
    return replace(card, strength=strength)


def check_base(folder: Path, card: AdapterCard, name: str, sha256: str) -> None:
    """Refuse base weights that the adapter was not trained on.

    Raises:
        DataError: ``sha256``, of the weights called ``name``, is not the card's.
    """
    if card.base_sha256 != sha256:
        raise DataError(
            f"{folder}: the adapter was trained on {card.base_name} "
            f"({card.base_sha256[:12]}), not on {name} ({sha256[:12]})"
        )


def read_card(folder: Path) -> AdapterCard:
    """Read the card of an adapter folder and check the weights against it.

    Raises:
        DataError: no card, a card of another version, or weights that do not match it.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        raise DataError(f"{folder}: no {CARD_NAME} in it; name a folder that finetune wrote")
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(row, dict) or row.get("card_version") != CARD_VERSION:
        raise DataError(f"{path}: not an adapter card of version {CARD_VERSION}")
    known = {f.name: f.default is MISSING for f in fields(AdapterCard)}
    missing = {name for name, needed in known.items() if needed and name not in row}
    if odd := missing | (set(row) - set(known)):
        raise DataError(f"{path}: fields missing or unknown: {', '.join(sorted(odd))}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    card = AdapterCard(**values)
    found = file_sha256(weight_file(folder))
    if found != card.weights_sha256:
        raise DataError(
            f"{weight_file(folder)}: its checksum {found[:12]} is not the card's "
            f"{card.weights_sha256[:12]}; the file was changed or torn, copy it again"
        )
    return card
