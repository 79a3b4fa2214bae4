"""An adapted Whisper as a transformers folder, with the files that other programs look for."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.model import SpeechModel
from asr_adapt.suppression import barred_at_first


def write_folder(model: SpeechModel, out: Path, dtype: torch.dtype) -> None:
    """Write weights, settings, tokenizer and feature settings into an empty folder.

    transformers 5 leaves out ``vocab.json`` and ``merges.txt``, which the converters of other
    programs read. An adapter that learned silence may end at once, which Whisper's own settings
    bar: here they allow it.

    Args:
        model: LoRA merged.
        out: is there, and empty.
        dtype: of the weights.
    """
    whisper = model.whisper
    if dtype != torch.float32:  # that of the model, which is left as it is
        whisper = copy.deepcopy(whisper).to(dtype)
    whisper.save_pretrained(out)
    generation = copy.deepcopy(whisper.generation_config)
    if model.hears_silence:
        generation.begin_suppress_tokens = barred_at_first(model)
    generation.save_pretrained(out)
    model.tokenizer.save_pretrained(out)
    model.feature_extractor.save_pretrained(out)
    write_vocabulary(out)


def write_vocabulary(folder: Path) -> None:
    """Write ``vocab.json``, ``merges.txt`` and ``added_tokens.json`` of a ``tokenizer.json``."""
    whole = read_tokenizer(folder)
    merges = [m if isinstance(m, str) else " ".join(m) for m in whole["model"]["merges"]]
    added = {token["content"]: token["id"] for token in whole["added_tokens"]}
    vocabulary = {t: i for t, i in whole["model"]["vocab"].items() if t not in added}
    for name, content in (("vocab.json", vocabulary), ("added_tokens.json", added)):
        text = json.dumps(dict(sorted(content.items(), key=lambda pair: pair[1])), indent=0)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


def read_tokenizer(folder: Path) -> dict[str, Any]:
    """Return ``tokenizer.json``.

    Raises:
        EnvironmentProblem: it is not there; the base model's tokenizer is of an unknown kind.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise EnvironmentProblem(f"{path}: was not written; this tokenizer cannot be exported")
    whole: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return whole
