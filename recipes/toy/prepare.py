"""Tones that stand for words and a tiny random Whisper that can learn them, made in seconds.

Every stage of asr-adapt runs on this data without a network; the numbers mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)
from transformers.utils.logging import disable_progress_bar

from asr_adapt.manifest import write_manifest
from asr_adapt.prepare_script import run_prepare
from asr_adapt.records import Utterance

RATE_HZ = 16_000
WORD_S = 0.3
WORDS = {
    "ship": 400.0,
    "port": 700.0,
    "buoy": 1100.0,
    "tug": 1600.0,
    "mast": 2300.0,
    "keel": 3100.0,
}
SPEAKERS = {"train": ("ann", "bob", "cid"), "dev": ("dee",), "test": ("eve", "fay")}
COUNTS = {
    "demo": {"train": 48, "dev": 8, "test": 16},
    "full": {"train": 192, "dev": 16, "test": 32},
}
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


def prepare(out_dir: Path, size: str, seed: int) -> None:
    """Write train, dev and test manifests with their tones, and the model."""
    marker = out_dir / "prepared.json"
    stamp = {"size": size, "seed": seed, "version": 1}
    if marker.exists() and json.loads(marker.read_text()) == stamp:
        return
    (out_dir / "audio").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for split, count in COUNTS[size].items():
        rows = [make_utterance(out_dir, split, i, rng) for i in range(count)]
        write_manifest(out_dir / f"{split}.jsonl", rows)
    write_model(out_dir / "model", seed)
    marker.write_text(json.dumps(stamp))


def make_utterance(out_dir: Path, split: str, number: int, rng: np.random.Generator) -> Utterance:
    """Write one row of tones and return its utterance."""
    speaker = SPEAKERS[split][number % len(SPEAKERS[split])]
    words = [str(w) for w in rng.choice(list(WORDS), size=int(rng.integers(1, 4)))]
    sound = np.concatenate([tone(WORDS[w], rng) for w in words])
    sound += 0.01 * rng.standard_normal(len(sound))
    path = out_dir / "audio" / f"{split}-{number:03d}.flac"
    soundfile.write(path, sound, RATE_HZ, subtype="PCM_16")
    context = tuple(sorted({*words, *(str(w) for w in rng.choice(list(WORDS), size=2))}))
    return Utterance(
        utterance_id=f"{split}-{number:03d}",
        audio_path=path,
        start_s=0.0,
        duration_s=len(sound) / RATE_HZ,
        reference=" ".join(words),
        speaker=speaker,
        context=context,
        tags={"words": str(len(words))},
    )


def tone(frequency_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Return one word: a tone that swells and fades, a little off pitch."""
    time_s = np.arange(int(WORD_S * RATE_HZ)) / RATE_HZ
    pitch = frequency_hz * rng.uniform(0.97, 1.03)
    swell = np.sin(np.pi * time_s / WORD_S) ** 2
    word: np.ndarray = 0.3 * np.sin(2 * np.pi * pitch * time_s) * swell
    return word


def write_model(folder: Path, seed: int) -> None:
    """Write a random Whisper of one narrow layer, with a tokenizer of single bytes."""
    tokenizer = byte_tokenizer()
    ids = tokenizer.convert_tokens_to_ids
    end, start = ids("<|endoftext|>"), ids("<|startoftranscript|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        is_multilingual=False,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        no_timestamps_token_id=ids("<|notimestamps|>"),
        begin_suppress_tokens=[end],
    )
    disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)


def byte_tokenizer() -> WhisperTokenizer:
    """Return a Whisper tokenizer whose tokens are the 256 bytes and the special tokens."""
    vocabulary = {c: i for i, c in enumerate(sorted(ByteLevel.alphabet()))}
    vocabulary |= {token: len(vocabulary) + i for i, token in enumerate(SPECIAL)}
    return WhisperTokenizer(
        vocab=vocabulary,
        merges=[],
        unk_token="<|endoftext|>",  # noqa: S106 - a token of text, not of access
        additional_special_tokens=list(SPECIAL[1:]),
    )


if __name__ == "__main__":
    run_prepare(lambda _, out, size, seed: prepare(out, size, seed), COUNTS)
