"""Whisper's ``tokenizer.json``: control tokens, and repairs of files that came incomplete.

`asr_adapt.base_weights.ctranslate2_whisper` writes what this returns; everything here maps a parsed
``tokenizer.json`` to another one and touches no file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr_adapt.errors import EnvironmentProblem

_TIMESTAMPS = 1501  # 0.00 to 30.00 s in steps of 0.02 s, the last tokens of the vocabulary


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the tokens that steer Whisper."""

    end: int
    start: int
    previous: int
    no_timestamps: int
    transcribe: int
    translate: int
    languages: Mapping[str, int]


def special_tokens(tokenizer: Mapping[str, Any], source: str) -> SpecialTokens:
    """Find Whisper's control tokens in a parsed ``tokenizer.json``.

    Raises:
        EnvironmentProblem: one of them is not there.
    """
    ids = {token["content"]: int(token["id"]) for token in tokenizer.get("added_tokens", [])}

    def find(name: str) -> int:
        if name not in ids:
            raise EnvironmentProblem(
                f"{source}: no token '{name}'; copy tokenizer.json of the same Whisper from "
                "huggingface.co/openai"
            )
        return ids[name]

    return SpecialTokens(
        end=find("<|endoftext|>"),
        start=find("<|startoftranscript|>"),
        previous=find("<|startofprev|>"),
        no_timestamps=find("<|notimestamps|>"),
        transcribe=find("<|transcribe|>"),
        translate=find("<|translate|>"),
        languages={name: i for name, i in ids.items() if re.fullmatch(r"<\|[a-z]{2,3}\|>", name)},
    )


def with_timestamps(tokenizer: Mapping[str, Any], first_id: int, vocab_size: int) -> dict[str, Any]:
    """Return the tokenizer with the tokens ``<|0.00|>`` to ``<|30.00|>`` that the model knows.

    Older conversions leave them out, so that their ids have no text.
    """
    known = {token["content"] for token in tokenizer["added_tokens"]}
    missing = [
        (first_id + step, name)
        for step, name in enumerate(f"<|{0.02 * step:.2f}|>" for step in range(_TIMESTAMPS))
        if name not in known and first_id + step < vocab_size
    ]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": i, "content": name, **flags, "special": False} for i, name in missing]
    return {**tokenizer, "added_tokens": [*tokenizer["added_tokens"], *added]}


def _merge_pair(token: str, ranks: Mapping[str, int]) -> tuple[str, str] | None:
    """Return the two tokens that byte-pair encoding joins last on the way to ``token``.

    Ids of GPT-2-like vocabularies are given in the order of the merges, so a lower id is an earlier
    merge (Sennrich et al. 2016, arXiv 1508.07909; tiktoken stores nothing else).
    """
    limit = ranks[token]
    parts = list(token)
    while len(parts) > 2:
        joined = [
            (ranks.get(left + right, limit), index)
            for index, (left, right) in enumerate(itertools.pairwise(parts))
        ]
        rank, index = min(joined)
        if rank >= limit:
            return None
        parts[index : index + 2] = ["".join(parts[index : index + 2])]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def missing_merges(tokenizer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the merges that the vocabulary implies and the file leaves out.

    Copies of the multilingual Whisper's ``tokenizer.json`` lack the first merge, space + t, so that
    " the" becomes two tokens that the model never writes: harmless when reading its output, wrong
    in prompts and in training labels.
    """
    model = tokenizer["model"]
    made = {"".join(_pair(merge)) for merge in model["merges"]}
    control = {token["content"] for token in tokenizer["added_tokens"]}
    lost = (t for t in model["vocab"] if len(t) > 1 and t not in made and t not in control)
    pairs = (_merge_pair(token, model["vocab"]) for token in lost)
    return [pair for pair in pairs if pair is not None]


def _pair(merge: str | list[str]) -> tuple[str, str]:
    """Read a merge in either notation: ``"a b"`` or ``["a", "b"]``."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def complete_merges(tokenizer: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the tokenizer with the merges its vocabulary implies, in the order of the vocabulary.

    Raises:
        EnvironmentProblem: not a byte-pair tokenizer.
    """
    model = tokenizer.get("model", {})
    if model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise EnvironmentProblem(f"{source}: tokenizer.json holds no byte-pair encoding")
    lost = missing_merges(tokenizer)
    if not lost:
        return dict(tokenizer)
    pairs = [*map(_pair, model["merges"]), *lost]
    ordered = sorted(pairs, key=lambda pair: model["vocab"][pair[0] + pair[1]])
    return {**tokenizer, "model": {**model, "merges": [list(pair) for pair in ordered]}}


def tokenizer_config(tokenizer: Mapping[str, Any], target_tokens: int) -> dict[str, Any]:
    """Return the ``tokenizer_config.json`` that makes transformers take the class for Whisper."""
    special = [token["content"] for token in tokenizer["added_tokens"] if token.get("special")]
    end = "<|endoftext|>"
    return {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "bos_token": end,
        "eos_token": end,
        "pad_token": end,
        "unk_token": end,
        "additional_special_tokens": special,
        "model_max_length": target_tokens,
        "clean_up_tokenization_spaces": False,
    }
