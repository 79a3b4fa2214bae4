"""A Whisper as one ggml file, which whisper.cpp and what is built on it read.

All numbers are little-endian: the sizes of the model, the mel filters, the bytes of each token,
then tensors with their names, dimensions from the last to the first. Layout: whisper_model_load in
src/whisper.cpp of github.com/ggml-org/whisper.cpp, which finds the tokens from the end of text on
by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from transformers.convert_slow_tokenizer import bytes_to_unicode

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.model import SpeechModel

MAGIC = 0x67676D6C
FLOAT32, FLOAT16 = 0, 1

_PLACES = {
    "encoder.embed_positions.weight": "encoder.positional_embedding",
    "decoder.embed_positions.weight": "decoder.positional_embedding",
    "decoder.embed_tokens.weight": "decoder.token_embedding.weight",
    "encoder.layer_norm": "encoder.ln_post",
    "decoder.layer_norm": "decoder.ln",
}
_PARTS = {
    "self_attn_layer_norm": "attn_ln",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "final_layer_norm": "mlp_ln",
    "self_attn": "attn",
    "encoder_attn": "cross_attn",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "layers": "blocks",
}
_TIED = "proj_out.weight"


def write_ggml(model: SpeechModel, path: Path) -> None:
    """Write a model, LoRA merged: matrices in float16, vectors and positions in float32.

    Args:
        model: the weights, the tokenizer and the mel filters.
        path: the file.

    Raises:
        EnvironmentProblem: the tokenizer lacks tokens, or tells bytes in a way of its own.
    """
    tokens = token_bytes(model)
    filters = np.asarray(model.feature_extractor.mel_filters, np.float32).T
    with path.open("wb") as file:
        file.write(struct.pack("<I11i", MAGIC, *sizes(model), FLOAT16))
        file.write(struct.pack("<2i", *filters.shape))
        file.write(np.ascontiguousarray(filters, "<f4").tobytes())
        file.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            file.write(struct.pack("<I", len(token)) + token)
        for name, array in tensors(model):
            write_tensor(file, name, array)


def sizes(model: SpeechModel) -> tuple[int, ...]:
    """Return the sizes of a model in the order of the file."""
    config = model.whisper.config
    return (
        config.vocab_size,
        config.max_source_positions,
        config.d_model,
        config.encoder_attention_heads,
        config.encoder_layers,
        config.max_target_positions,
        config.d_model,
        config.decoder_attention_heads,
        config.decoder_layers,
        config.num_mel_bins,
    )


def token_bytes(model: SpeechModel) -> list[bytes]:
    """Return what each token before the end of text stands for.

    Raises:
        EnvironmentProblem: ids are missing, or a token holds what stands for no byte.
    """
    to_byte = {character: byte for byte, character in bytes_to_unicode().items()}
    end = model.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    tokens = model.tokenizer.convert_ids_to_tokens(list(range(end)))
    try:
        return [bytes(to_byte[character] for character in token) for token in tokens]
    except (KeyError, TypeError) as problem:
        raise EnvironmentProblem(
            f"tokenizer of {model.name}: not one of bytes, as Whisper's are ({problem}); "
            "ggml cannot say it"
        ) from problem


def tensors(model: SpeechModel) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield tensors under the names of OpenAI's Whisper, which the file has them under."""
    for name, tensor in model.whisper.state_dict().items():
        if name == _TIED:
            continue
        array = tensor.float().cpu().numpy()
        # The biases of convolutions are added to columns.
        column = name.endswith(("conv1.bias", "conv2.bias"))
        yield openai_name(name), array[:, None] if column else array


def openai_name(name: str) -> str:
    """Return the name of a transformers tensor in OpenAI's Whisper.

    >>> openai_name("model.decoder.layers.3.encoder_attn.k_proj.weight")
    'decoder.blocks.3.cross_attn.key.weight'
    >>> openai_name("model.encoder.layer_norm.bias")
    'encoder.ln_post.bias'
    """
    plain = name.removeprefix("model.")
    if plain in _PLACES:
        return _PLACES[plain]
    stem, _, last = plain.rpartition(".")
    if stem in _PLACES:
        return f"{_PLACES[stem]}.{last}"
    return ".".join(_PARTS.get(part, part) for part in plain.split("."))


def write_tensor(file: BinaryIO, name: str, array: NDArray[np.float32]) -> None:
    """Write one tensor; only matrices are halved."""
    halved = name.endswith(".weight") and array.ndim > 1
    kind = FLOAT16 if halved else FLOAT32
    label = name.encode()
    dimensions = array.shape[::-1]
    file.write(struct.pack("<3i", array.ndim, len(label), kind))
    file.write(struct.pack(f"<{array.ndim}i", *dimensions) + label)
    file.write(np.ascontiguousarray(array, "<f2" if halved else "<f4").tobytes())
