"""Whisper with or without an adapter: loading, the encoder, and the tokens around a text.

Only safetensors are read. Missing or unexpected adapter weights are errors, because peft would go
on with the untouched base model (https://github.com/huggingface/peft/issues/2118).
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from transformers import (
    GenerationConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)
from transformers.utils import logging as transformers_logging

from asr_adapt.adapter import AdapterCard, at_strength, check_base, read_card, weight_file
from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.errors import DataError, EnvironmentProblem, UsageError
from asr_adapt.records import Utterance
from asr_adapt.settings import LoraSettings
from asr_adapt.window import FULL_WINDOW, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Window


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A Whisper ready to encode and decode.

    Attributes:
        network: the transformers model, or the peft model around it.
        tokenizer: Whisper's tokenizer.
        feature_extractor: sound to log-mel.
        name: the base model as the user named it.
        sha256: checksum of the base weights.
        window: how many encoder frames are computed.
        card: the adapter's card; None for the base model.
        hears_silence: whether it learned to write nothing where nobody speaks. Whisper as it comes
            may not: its first token is always one of text.
    """

    network: nn.Module
    tokenizer: WhisperTokenizer
    feature_extractor: WhisperFeatureExtractor
    name: str
    sha256: str
    window: Window = FULL_WINDOW
    card: AdapterCard | None = None
    hears_silence: bool = False

    @property
    def whisper(self) -> WhisperForConditionalGeneration:
        """The Whisper inside, whether or not peft is wrapped around it."""
        network: Any = self.network
        return network.get_base_model() if hasattr(network, "get_base_model") else network

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def tokenize(self, text: str) -> list[int]:
        """Return the token ids of a text without special tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids


def pick_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        EnvironmentProblem: a GPU is asked for that torch does not see.
        UsageError: there is no such name.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise UsageError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= seen:
        raise EnvironmentProblem(f"device {name}: torch sees {seen} GPUs here; use --device cpu")
    return device


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 faster than in float32.

    GPUs do, and CPUs with instructions for it: there a training step is 1.5 to 1.8 times as fast
    (`scripts/bench_precision.py`). On other CPUs bfloat16 is slower.
    """
    if device.type != "cpu":
        return True
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Compute in bfloat16 where that is faster, for work on many frames or tokens at once."""
    enabled = computes_bfloat16(device)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def autocast_steps(device: torch.device) -> AbstractContextManager[Any]:
    """The same for work on a token at a time.

    On CPUs that is float32: weights would be cast again for every token, which costs more than it
    saves.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def load_base(weights: ResolvedWeights, device: torch.device) -> SpeechModel:
    """Load untuned weights."""
    return SpeechModel(
        network=_load_network(weights.folder).to(device),
        tokenizer=WhisperTokenizer.from_pretrained(weights.folder),
        feature_extractor=WhisperFeatureExtractor.from_pretrained(weights.folder),
        name=weights.name,
        sha256=weights.sha256,
    )


def _load_network(folder: Path) -> WhisperForConditionalGeneration:
    transformers_logging.disable_progress_bar()
    network = WhisperForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    return network.eval().requires_grad_(False)


def with_new_lora(model: SpeechModel, settings: LoraSettings, seed: int) -> SpeechModel:
    """Put a fresh, trainable LoRA on a base model, which it changes in place."""
    parts, targets = "|".join(settings.parts), "|".join(settings.targets)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=rf"model\.({parts})\..*\.({targets})",
        use_rslora=settings.variant == "rslora",
        use_dora=settings.variant == "dora",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = put_lora(model.whisper, config)
    return replace(model, network=network)


def put_lora(whisper: WhisperForConditionalGeneration, config: LoraConfig) -> PeftModel:
    """Put LoRA layers on a Whisper, in place."""
    with warnings.catch_warnings():
        # peft 0.21 asks for an attribute that transformers 5.23 deprecates.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(whisper, config)


def with_adapter(model: SpeechModel, folder: Path, strength: float | None = None) -> SpeechModel:
    """Return the model as adapted by the adapter in ``folder``; the base is changed in place.

    LoRA weights are merged, so decoding costs what the base costs.

    Args:
        model: the base.
        folder: what finetune wrote.
        strength: part of the change that is applied; None for the card's.

    Raises:
        DataError: the adapter is for other weights, its tensors do not fit, or it was
            never trained.
        UsageError: another strength than 1 for weights that have none.
    """
    card = at_strength(read_card(folder), strength)
    check_base(folder, card, model.name, model.sha256)
    network = trained_network(model.whisper, folder, card.method, card.strength)
    if card.method == "lora":
        check_trained(folder)
    return replace(
        model,
        network=network,
        window=card.window,
        card=card,
        hears_silence=card.hears_silence,
    )


def trained_network(
    whisper: WhisperForConditionalGeneration, folder: Path, method: str, strength: float
) -> nn.Module:
    """Return Whisper with trained weights: all of them new, or LoRA's merged into the base.

    Args:
        whisper: the base; LoRA's weights are merged in place.
        folder: holds what training saved.
        method: ``lora`` or ``full``.
        strength: part of LoRA's change that is applied.

    Raises:
        DataError: LoRA's tensors do not fit.
    """
    if method == "full":
        network: nn.Module = _load_network(folder).to(whisper.device)
        return network
    config = LoraConfig.from_pretrained(folder)
    config.inference_mode = True
    # Where training found the base. It may lie elsewhere now; check_base has compared what it is.
    config.base_model_name_or_path = None
    with torch.random.fork_rng():  # what it draws is not used, and training draws on meanwhile
        wrapped = put_lora(whisper, config)
    load_lora(wrapped, folder)
    set_strength(wrapped, strength)
    merged: nn.Module = wrapped.merge_and_unload()
    return merged.eval().requires_grad_(False)


def spare_casts(model: SpeechModel) -> None:
    """Let autocast cast less in each training step of LoRA: the same numbers, sooner.

    Frozen weights under LoRA layers are kept in bfloat16, to which autocast would bring them in
    each step, and their inputs go into LoRA as they are: peft makes float32 of them, and autocast
    bfloat16 again. Without autocast the model cannot be used any more.
    """
    for layer in model.network.modules():
        if isinstance(layer, LoraLayer):
            layer.cast_input_dtype_enabled = False
            layer.get_base_layer().to(torch.bfloat16)


def load_lora(network: nn.Module, folder: Path) -> None:
    """Load the LoRA weights of an adapter folder into a network that has such layers.

    Raises:
        DataError: they do not fit.
    """
    device = next(network.parameters()).device
    tensors = load_file(weight_file(folder), device=str(device))
    _check_lora_tensors(network, tensors, folder)
    set_peft_model_state_dict(network, tensors)


def check_trained(folder: Path) -> None:
    """Refuse an adapter that changes nothing.

    Raises:
        DataError: every lora_B is zero, as before the first step.
    """
    tensors = load_file(weight_file(folder))
    if not any(tensor.any() for name, tensor in tensors.items() if "lora_B" in name):
        raise DataError(f"{folder}: every lora_B is zero; the adapter was never trained")


def set_strength(network: nn.Module, strength: float) -> None:
    """Apply the change that LoRA layers make at a part of its strength, 1 for all of it."""
    for module in network.modules():
        if isinstance(module, LoraLayer):
            module.set_scale("default", strength)


def _check_lora_tensors(network: nn.Module, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Refuse an adapter that would silently stay the base model."""
    expected = {
        stored_name(name): parameter.shape
        for name, parameter in network.named_parameters()
        if "lora_" in name
    }
    missing = sorted(set(expected) - set(tensors))
    odd = sorted(set(tensors) - set(expected))
    wrong = sorted(k for k in set(expected) & set(tensors) if expected[k] != tensors[k].shape)
    for what, names in (("missing", missing), ("unexpected", odd), ("of wrong shape", wrong)):
        if names:
            raise DataError(f"{folder}: {len(names)} adapter tensors {what}, such as {names[0]}")


def stored_name(parameter: str) -> str:
    """Return the name of an adapter's parameter in its file: DoRA's vector is no module there."""
    vector = "lora_magnitude_vector"
    return parameter.replace(f"{vector}.default.weight", vector).replace(".default", "")


def mel_features(model: SpeechModel, sounds: Sequence[np.ndarray], frames: int) -> torch.Tensor:
    """Turn sounds of at most ``frames`` encoder frames into log-mel, padded with silence.

    Returns:
        Float tensor (B, mel bins, 2 * frames) on the CPU.
    """
    features = model.feature_extractor(
        list(sounds),
        sampling_rate=SAMPLE_RATE_HZ,
        padding="max_length",
        max_length=frames * SAMPLES_PER_FRAME,
        truncation=True,
        return_tensors="pt",
    )
    mel: torch.Tensor = features["input_features"]
    return mel


def encode(whisper: WhisperForConditionalGeneration, features: torch.Tensor) -> torch.Tensor:
    """Run the encoder on a window of any length.

    transformers accepts 3000 mel frames only; the weights do not care: positions beyond the window
    are left out.

    Args:
        whisper: the model, LoRA layers included if it has any.
        features: log-mel (B, mel bins, 2 * F), F <= 1500.

    Returns:
        Encoder output (B, F, width).
    """
    encoder = whisper.model.encoder
    hidden = nn.functional.gelu(encoder.conv1(features))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    for layer in encoder.layers:
        hidden = layer(hidden, None)
    output: torch.Tensor = encoder.layer_norm(hidden)
    return output


def check_languages(weights: ResolvedWeights, utterances: Iterable[Utterance]) -> None:
    """Refuse utterances in languages that the weights do not know, before these are loaded.

    Raises:
        DataError: names the first of them and how many there are.
    """
    refuse_languages(read_generation(weights), weights.name, utterances)


def read_generation(weights: ResolvedWeights) -> GenerationConfig:
    """Return what stands beside weights about languages and decoding."""
    return GenerationConfig.from_pretrained(weights.folder, local_files_only=True)


def refuse_languages(
    generation: GenerationConfig, name: str, utterances: Iterable[Utterance]
) -> None:
    """Refuse utterances in languages that a model with these settings does not know.

    Raises:
        DataError: names the first of them and how many there are.
    """
    first: dict[str, Utterance] = {}
    counts: Counter[str] = Counter()
    for u in utterances:
        first.setdefault(u.language, u)
        counts[u.language] += 1
    for language, u in first.items():
        if problem := language_problem(generation, name, language):
            raise DataError(
                f"utterance '{u.utterance_id}': {problem} "
                f"({counts[language]} of {counts.total()} utterances)"
            )


def language_problem(generation: GenerationConfig, name: str, language: str) -> str | None:
    """Say why a model cannot write down a language; None where it can."""
    if generation.is_multilingual:
        known = f"<|{language}|>" in generation.lang_to_id
        if known:
            return None
        codes = "languages are ISO 639-1 codes, such as en"
        return f"language {language!r}: {name} does not know it; {codes}"
    if language == "en":
        return None
    return (
        f"language {language!r}: {name} knows English only (en); for others take a multilingual "
        "model, such as whisper-base"
    )


def decoder_start(model: SpeechModel, language: str) -> list[int]:
    """Return the tokens before a transcript: start, language and task where known, no timestamps.

    Raises:
        DataError: the model does not know the language.
    """
    ids = model.tokenizer.convert_tokens_to_ids
    generation = model.whisper.generation_config
    if problem := language_problem(generation, model.name, language):
        raise DataError(problem)
    spoken = [f"<|{language}|>", "<|transcribe|>"] if generation.is_multilingual else []
    return [ids(token) for token in ("<|startoftranscript|>", *spoken, "<|notimestamps|>")]


def prompted_start(model: SpeechModel, prompt_ids: Sequence[int], language: str) -> list[int]:
    """Return the decoder's first tokens: the prompt, if there is one, then `decoder_start`."""
    start = decoder_start(model, language)
    if not prompt_ids:
        return start
    return [model.tokenizer.convert_tokens_to_ids("<|startofprev|>"), *prompt_ids, *start]
