"""Writes CTranslate2 containers and a tiny Whisper, the counterpart of what the product reads."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
TYPE_IDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "uint16": 5}
WIDTH, INNER, VOCAB, MEL = 64, 96, 40, 80


def string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def variable(name: str, array: Array) -> bytes:
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    data = array.tobytes()
    return string(name) + shape + struct.pack("<BI", TYPE_IDS[array.dtype.name], len(data)) + data


def container(
    variables: Mapping[str, Array],
    aliases: Mapping[str, str] | None = None,
    spec: str = "WhisperSpec",
) -> bytes:
    pairs = (aliases or {}).items()
    body = b"".join(variable(name, array) for name, array in variables.items())
    head = struct.pack("<I", 6) + string(spec) + struct.pack("<II", 3, len(variables))
    tail = struct.pack("<I", len(pairs)) + b"".join(string(a) + string(b) for a, b in pairs)
    return head + body + tail


def tiny_state(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)

    def noise(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float16)

    state = {
        "model.encoder.conv1.weight": noise(WIDTH, MEL, 3),
        "model.encoder.conv1.bias": noise(WIDTH),
        "model.encoder.conv2.weight": noise(WIDTH, WIDTH, 3),
        "model.encoder.conv2.bias": noise(WIDTH),
        "model.encoder.embed_positions.weight": noise(1500, WIDTH),
        "model.decoder.embed_positions.weight": noise(448, WIDTH),
        "model.decoder.embed_tokens.weight": noise(VOCAB, WIDTH),
    }
    norms = ["model.encoder.layer_norm", "model.decoder.layer_norm"]
    for stack in ("encoder", "decoder"):
        layer = f"model.{stack}.layers.0"
        blocks = ["self_attn", "encoder_attn"] if stack == "decoder" else ["self_attn"]
        norms += [f"{layer}.final_layer_norm", *(f"{layer}.{block}_layer_norm" for block in blocks)]
        for block in blocks:
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                state[f"{layer}.{block}.{part}.weight"] = noise(WIDTH, WIDTH)
                if part != "k_proj":
                    state[f"{layer}.{block}.{part}.bias"] = noise(WIDTH)
        state |= {f"{layer}.fc1.weight": noise(INNER, WIDTH), f"{layer}.fc1.bias": noise(INNER)}
        state |= {f"{layer}.fc2.weight": noise(WIDTH, INNER), f"{layer}.fc2.bias": noise(WIDTH)}
    for norm in norms:
        state |= {f"{norm}.weight": noise(WIDTH), f"{norm}.bias": noise(WIDTH)}
    return state


def fused(state: Mapping[str, Array], prefix: str, parts: str) -> tuple[Array, Array]:
    zeros = np.zeros(WIDTH, np.float16)
    weights_ = [state[f"{prefix}.{part}_proj.weight"] for part in parts]
    return np.concatenate(weights_), np.concatenate(
        [state.get(f"{prefix}.{part}_proj.bias", zeros) for part in parts]
    )


def ct2_variables(state: Mapping[str, Array]) -> dict[str, Array]:
    """The layout that CTranslate2's WhisperSpec gives these weights."""
    out: dict[str, Array] = {
        "decoder/activation": np.array(3, np.int8),
        "decoder/num_heads": np.array(1, np.int16),
        "encoder/num_heads": np.array(1, np.int16),
        "decoder/embeddings/weight": state["model.decoder.embed_tokens.weight"],
    }

    def put(name: str, weight: Array, bias: Array, norm: bool = False) -> None:
        first, second = ("gamma", "beta") if norm else ("weight", "bias")
        out.update({f"{name}/{first}": weight, f"{name}/{second}": bias})

    def copy(name: str, ours: str, norm: bool = False) -> None:
        put(name, state[f"{ours}.weight"], state[f"{ours}.bias"], norm)

    for conv in ("conv1", "conv2"):
        copy(f"encoder/{conv}", f"model.encoder.{conv}")
    for stack in ("encoder", "decoder"):
        layer, ours = f"{stack}/layer_0", f"model.{stack}.layers.0"
        out[f"{stack}/position_encodings/encodings"] = state[
            f"model.{stack}.embed_positions.weight"
        ]
        copy(f"{stack}/layer_norm", f"model.{stack}.layer_norm", norm=True)
        copy(f"{layer}/self_attention/layer_norm", f"{ours}.self_attn_layer_norm", norm=True)
        put(f"{layer}/self_attention/linear_0", *fused(state, f"{ours}.self_attn", "qkv"))
        copy(f"{layer}/self_attention/linear_1", f"{ours}.self_attn.out_proj")
        copy(f"{layer}/ffn/layer_norm", f"{ours}.final_layer_norm", norm=True)
        copy(f"{layer}/ffn/linear_0", f"{ours}.fc1")
        copy(f"{layer}/ffn/linear_1", f"{ours}.fc2")
    cross, ours = "decoder/layer_0/attention", "model.decoder.layers.0.encoder_attn"
    copy(f"{cross}/layer_norm", f"{ours}_layer_norm", norm=True)
    put(f"{cross}/linear_0", *fused(state, ours, "q"))
    put(f"{cross}/linear_1", *fused(state, ours, "kv"))
    copy(f"{cross}/linear_2", f"{ours}.out_proj")
    return out


CONTROL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|notimestamps|>",
]


def tiny_tokenizer() -> dict[str, Any]:
    vocab = {token: i for i, token in enumerate(["t", "h", "e", "Ġ", "Ġt", "he", "Ġthe"])}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": len(vocab) + i, "content": name, **flags, "special": True}
        for i, name in enumerate(CONTROL)
    ]
    # The first merge is left out, as in the copies of the multilingual Whisper.
    return {
        "added_tokens": added,
        "model": {"type": "BPE", "vocab": vocab, "merges": ["h e", "Ġt he"]},
    }


TIED = {"decoder/projection/weight": "decoder/embeddings/weight"}


def write_ct2(folder: Path, variables: Mapping[str, Array] | None = None) -> Path:
    folder.mkdir()
    content = container(variables or ct2_variables(tiny_state()), TIED)
    (folder / "model.bin").write_bytes(content)
    config = {"suppress_ids": [1], "suppress_ids_begin": [2], "alignment_heads": [[0, 0]]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tiny_tokenizer()))
    return folder
