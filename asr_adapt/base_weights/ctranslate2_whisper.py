"""Turns a CTranslate2 Whisper (a faster-whisper directory) into a transformers directory.

`asr_adapt.base_weights.weights` calls it once per set of weights. Reads a parsed container,
``config.json`` and ``tokenizer.json``; writes what ``WhisperForConditionalGeneration`` and
``WhisperProcessor`` load. Refuses weights that are left over, missing or of a shape that
contradicts the others, since transformers would fill a hole with random numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from asr_adapt.base_weights.ctranslate2_format import Container, Decoded
from asr_adapt.base_weights.whisper_tokenizer import (
    SpecialTokens,
    complete_merges,
    special_tokens,
    tokenizer_config,
    with_timestamps,
)
from asr_adapt.errors import EnvironmentProblem

CONVERTER_VERSION = 1
"""Part of the cache key; raise it when the same input gives other files."""

_HEAD_WIDTH = 64  # every Whisper: Radford et al. 2022, table 1 (arXiv 2212.04356)
_ENGLISH_ONLY_VOCAB_SIZE = 51864  # openai/whisper model.py: is_multilingual = n_vocab >= 51865
_GELU = 3  # Activation.GELU in python/ctranslate2/specs/common_spec.py

# The switches that all Whispers share. Another value would be another network.
_EXPECTED_SETTINGS = {
    "decoder/activation": _GELU,
    "decoder/alibi": 0,
    "decoder/pre_norm": 1,
    "decoder/scale_embeddings": 0,
}


@dataclass(frozen=True, slots=True)
class WhisperShape:
    """The sizes of a Whisper, as its tensors show them."""

    width: int
    encoder_layers: int
    decoder_layers: int
    encoder_heads: int
    decoder_heads: int
    encoder_inner: int
    decoder_inner: int
    mel_bins: int
    source_frames: int
    target_tokens: int
    vocab_size: int


class _Tensors:
    """The tensors of a container, each to be taken once, with their shapes checked."""

    def __init__(self, container: Container, source: str) -> None:
        self.left = dict(container.tensors)
        self.source = source

    def take(self, name: str, shape: tuple[int, ...]) -> Decoded:
        """Return a tensor and cross it off.

        Raises:
            EnvironmentProblem: it is missing or has another shape.
        """
        tensor = self.left.pop(name, None)
        if tensor is None:
            raise EnvironmentProblem(f"{self.source}: no weight '{name}'; convert the model again")
        if tensor.shape != shape:
            raise EnvironmentProblem(
                f"{self.source}: weight '{name}' has shape {list(tensor.shape)} where the rest of "
                f"the model needs {list(shape)}; convert the model again"
            )
        return tensor


def _count_layers(container: Container, stack: str) -> int:
    names = (re.match(rf"{stack}/layer_(\d+)/", name) for name in container.tensors)
    return 1 + max((int(found[1]) for found in names if found), default=-1)


def _rows(container: Container, name: str, rank: int, source: str) -> tuple[int, ...]:
    tensor = container.tensors.get(name)
    if tensor is None or tensor.ndim != rank:
        raise EnvironmentProblem(
            f"{source}: no weight '{name}' of {rank} dimensions; this is not a Whisper model"
        )
    return tensor.shape


def whisper_shape(container: Container, source: str) -> WhisperShape:
    """Read the sizes of a Whisper from its tensors.

    Raises:
        EnvironmentProblem: not a Whisper, or one with switches that no Whisper has.
    """
    if container.spec != "WhisperSpec":
        raise EnvironmentProblem(f"{source}: a '{container.spec}' model; only Whisper can be used")
    for name, expected in _EXPECTED_SETTINGS.items():
        if container.settings.get(name, expected) != expected:
            raise EnvironmentProblem(
                f"{source}: setting '{name}' is {container.settings[name]:g}, not {expected}; "
                "this variant of Whisper is not known"
            )
    vocab_size, width = _rows(container, "decoder/embeddings/weight", 2, source)
    heads = width // _HEAD_WIDTH
    return WhisperShape(
        width=width,
        encoder_layers=_count_layers(container, "encoder"),
        decoder_layers=_count_layers(container, "decoder"),
        encoder_heads=int(container.settings.get("encoder/num_heads", heads)),
        decoder_heads=int(container.settings.get("decoder/num_heads", heads)),
        encoder_inner=_rows(container, "encoder/layer_0/ffn/linear_0/weight", 2, source)[0],
        decoder_inner=_rows(container, "decoder/layer_0/ffn/linear_0/weight", 2, source)[0],
        mel_bins=_rows(container, "encoder/conv1/weight", 3, source)[1],
        source_frames=_rows(container, "encoder/position_encodings/encodings", 2, source)[0],
        target_tokens=_rows(container, "decoder/position_encodings/encodings", 2, source)[0],
        vocab_size=vocab_size,
    )


def _norm(tensors: _Tensors, theirs: str, ours: str, width: int) -> dict[str, Decoded]:
    return {
        f"{ours}.weight": tensors.take(f"{theirs}/gamma", (width,)),
        f"{ours}.bias": tensors.take(f"{theirs}/beta", (width,)),
    }


def _linear(
    tensors: _Tensors, theirs: str, ours: list[str], rows: int, columns: int
) -> dict[str, Decoded]:
    """Return one linear layer, or the equal parts into which a fused one is cut.

    A key projection has no bias in Whisper; CTranslate2 fills its place with zeros.
    """
    weight = tensors.take(f"{theirs}/weight", (rows * len(ours), columns))
    bias = tensors.take(f"{theirs}/bias", (rows * len(ours),))
    state: dict[str, Decoded] = {}
    for index, name in enumerate(ours):
        part = slice(index * rows, (index + 1) * rows)
        state[f"{name}.weight"] = weight[part]
        if not name.endswith("k_proj"):
            state[f"{name}.bias"] = bias[part]
        elif bias[part].any():
            raise EnvironmentProblem(
                f"{tensors.source}: '{theirs}' has a bias on its keys; Whisper has none"
            )
    return state


def _layer(tensors: _Tensors, stack: str, index: int, width: int, inner: int) -> dict[str, Decoded]:
    theirs, ours = f"{stack}/layer_{index}", f"model.{stack}.layers.{index}"
    own, cross = f"{ours}.self_attn", f"{ours}.encoder_attn"
    attention = f"{theirs}/self_attention"
    state = _norm(tensors, f"{attention}/layer_norm", f"{ours}.self_attn_layer_norm", width)
    fused = [f"{own}.{part}_proj" for part in "qkv"]
    state |= _linear(tensors, f"{attention}/linear_0", fused, width, width)
    state |= _linear(tensors, f"{attention}/linear_1", [f"{own}.out_proj"], width, width)
    if stack == "decoder":
        attention = f"{theirs}/attention"
        state |= _norm(tensors, f"{attention}/layer_norm", f"{cross}_layer_norm", width)
        state |= _linear(tensors, f"{attention}/linear_0", [f"{cross}.q_proj"], width, width)
        fused = [f"{cross}.k_proj", f"{cross}.v_proj"]
        state |= _linear(tensors, f"{attention}/linear_1", fused, width, width)
        state |= _linear(tensors, f"{attention}/linear_2", [f"{cross}.out_proj"], width, width)
    state |= _norm(tensors, f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm", width)
    state |= _linear(tensors, f"{theirs}/ffn/linear_0", [f"{ours}.fc1"], inner, width)
    return state | _linear(tensors, f"{theirs}/ffn/linear_1", [f"{ours}.fc2"], width, inner)


def _stem(tensors: _Tensors, shape: WhisperShape) -> dict[str, Decoded]:
    """Return convolutions, positions, embeddings and last norms: all outside the layers."""
    width = shape.width
    positions = "position_encodings/encodings"
    state = {
        "model.encoder.conv1.weight": tensors.take(
            "encoder/conv1/weight", (width, shape.mel_bins, 3)
        ),
        "model.encoder.conv1.bias": tensors.take("encoder/conv1/bias", (width,)),
        "model.encoder.conv2.weight": tensors.take("encoder/conv2/weight", (width, width, 3)),
        "model.encoder.conv2.bias": tensors.take("encoder/conv2/bias", (width,)),
        "model.encoder.embed_positions.weight": tensors.take(
            f"encoder/{positions}", (shape.source_frames, width)
        ),
        "model.decoder.embed_positions.weight": tensors.take(
            f"decoder/{positions}", (shape.target_tokens, width)
        ),
        "model.decoder.embed_tokens.weight": tensors.take(
            "decoder/embeddings/weight", (shape.vocab_size, width)
        ),
    }
    for stack in ("encoder", "decoder"):
        state |= _norm(tensors, f"{stack}/layer_norm", f"model.{stack}.layer_norm", width)
    return state


def whisper_state(container: Container, shape: WhisperShape, source: str) -> dict[str, Decoded]:
    """Return all weights under the names that transformers uses.

    The output projection is tied to the embeddings and so has no entry.

    Raises:
        EnvironmentProblem: a weight is missing, left over, of the wrong shape, or the output
            projection is not the embeddings.
    """
    tensors = _Tensors(container, source)
    size = (shape.vocab_size, shape.width)
    projection = tensors.take("decoder/projection/weight", size)
    if not np.array_equal(projection, container.tensors["decoder/embeddings/weight"]):
        raise EnvironmentProblem(f"{source}: output projection and embeddings differ (not Whisper)")
    state = _stem(tensors, shape)
    for index in range(shape.encoder_layers):
        state |= _layer(tensors, "encoder", index, shape.width, shape.encoder_inner)
    for index in range(shape.decoder_layers):
        state |= _layer(tensors, "decoder", index, shape.width, shape.decoder_inner)
    if tensors.left:
        raise EnvironmentProblem(
            f"{source}: {len(tensors.left)} weights that no Whisper has, such as "
            f"'{min(tensors.left)}'; this variant is not known"
        )
    return state


def model_config(shape: WhisperShape, tokens: SpecialTokens) -> dict[str, Any]:
    """Return transformers' ``config.json``."""
    return {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "dtype": "float32",  # what transformers computes in, whatever the file stores
        "d_model": shape.width,
        "encoder_layers": shape.encoder_layers,
        "encoder_attention_heads": shape.encoder_heads,
        "encoder_ffn_dim": shape.encoder_inner,
        "decoder_layers": shape.decoder_layers,
        "decoder_attention_heads": shape.decoder_heads,
        "decoder_ffn_dim": shape.decoder_inner,
        "num_mel_bins": shape.mel_bins,
        "max_source_positions": shape.source_frames,
        "max_target_positions": shape.target_tokens,
        "vocab_size": shape.vocab_size,
        "activation_function": "gelu",
        "scale_embedding": False,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
        "bos_token_id": tokens.end,
        "eos_token_id": tokens.end,
        "pad_token_id": tokens.end,
        "decoder_start_token_id": tokens.start,
    }


def generation_config(
    ct2_config: Mapping[str, Any], shape: WhisperShape, tokens: SpecialTokens
) -> dict[str, Any]:
    """Return ``generation_config.json``: ids that steer decoding, from CTranslate2's own lists."""
    multilingual = shape.vocab_size > _ENGLISH_ONLY_VOCAB_SIZE
    config: dict[str, Any] = {
        "bos_token_id": tokens.end,
        "eos_token_id": tokens.end,
        "pad_token_id": tokens.end,
        "decoder_start_token_id": tokens.start,
        "prev_sot_token_id": tokens.previous,
        "no_timestamps_token_id": tokens.no_timestamps,
        "max_initial_timestamp_index": 50,  # 1 s; openai/whisper decoding.py
        "max_length": shape.target_tokens,
        "is_multilingual": multilingual,
        "return_timestamps": False,
        "suppress_tokens": ct2_config.get("suppress_ids") or [],
        "begin_suppress_tokens": ct2_config.get("suppress_ids_begin") or [],
    }
    if ct2_config.get("alignment_heads"):
        config["alignment_heads"] = ct2_config["alignment_heads"]
    if multilingual:
        config["lang_to_id"] = dict(tokens.languages)
        config["task_to_id"] = {"transcribe": tokens.transcribe, "translate": tokens.translate}
    return config


def _feature_extractor(shape: WhisperShape) -> dict[str, Any]:
    # 25 ms windows every 10 ms at 16 kHz, 30 s in all: Radford et al. 2022, section 2.2.
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "sampling_rate": 16000,
        "n_fft": 400,
        "hop_length": 160,
        "chunk_length": 30,
        "feature_size": shape.mel_bins,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_transformers(
    container: Container,
    ct2_config: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
    folder: Path,
    source: str,
) -> None:
    """Write the directory that transformers loads.

    Args:
        container: the parsed ``model.bin``.
        ct2_config: its ``config.json`` (suppressed tokens, alignment heads).
        tokenizer: its ``tokenizer.json``.
        folder: an existing, empty folder.
        source: where the weights are from, for error messages.

    Raises:
        EnvironmentProblem: the parts do not make a Whisper.
    """
    shape = whisper_shape(container, source)
    tokens = special_tokens(tokenizer, source)
    state = whisper_state(container, shape, source)
    whole = with_timestamps(
        complete_merges(tokenizer, source), tokens.no_timestamps + 1, shape.vocab_size
    )
    # Without this mark transformers refuses the file; views must be made whole to be written.
    arrays = {name: np.ascontiguousarray(array) for name, array in state.items()}
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", model_config(shape, tokens))
    _write_json(folder / "generation_config.json", generation_config(ct2_config, shape, tokens))
    _write_json(folder / "tokenizer.json", whole)
    _write_json(folder / "tokenizer_config.json", tokenizer_config(tokenizer, shape.target_tokens))
    _write_json(folder / "preprocessor_config.json", _feature_extractor(shape))
