"""Converted weights against CTranslate2 itself, on the real weights of the extra ``offline``.

CTranslate2 runs the original file with its own kernels; transformers runs what we made of it. The
same audio must give the same encoder output and the same tokens.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from asr_adapt.base_weights.ctranslate2_format import parse_container
from asr_adapt.base_weights.weights import PACKAGES, ResolvedWeights, package_files, resolve_weights
from asr_adapt.errors import EnvironmentProblem

pytestmark = [pytest.mark.weights, pytest.mark.slow]

SENTENCES = (
    "Bremerhaven Weser Traffic, this is motor vessel Anna Lotte, good morning, over.",
    "My position is five three degrees, four two minutes north, speed twelve knots.",
    "The pilot will board at the sea buoy in twenty minutes.",
)


@dataclass(frozen=True)
class Pair:
    """The same Whisper twice."""

    resolved: ResolvedWeights
    ours: Any
    processor: Any
    theirs: Any


@pytest.fixture(scope="module")
def clips() -> list[npt.NDArray[np.float32]]:
    """Speech of a synthetic voice, 16 kHz."""
    hibari = pytest.importorskip("hibari")
    from scipy.signal import resample_poly

    voice = hibari.Hibari()
    return [resample_poly(voice(text), 2, 3).astype(np.float32) for text in SENTENCES]


def original(name: str, folder: Path) -> Path:
    """Lay out the package's files as CTranslate2 wants them."""
    parts = package_files(PACKAGES[name])
    assert parts is not None
    (folder / "model.bin").write_bytes(b"".join(part.read_bytes() for part in parts))
    for side in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(parts[0].parent / side, folder / side)
    return folder


@pytest.fixture(scope="module", params=["whisper-tiny.en", "whisper-base"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    name: str = request.param
    if package_files(PACKAGES[name]) is None:
        pytest.skip(f"{name} is not installed")
    import ctranslate2
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    resolved = resolve_weights(name, tmp_path_factory.mktemp("cache"))
    model, loading = WhisperForConditionalGeneration.from_pretrained(
        resolved.folder, output_loading_info=True
    )
    assert not any(loading.values()), loading
    reference = ctranslate2.models.Whisper(
        str(original(name, tmp_path_factory.mktemp("ct2"))), compute_type="float32", intra_threads=1
    )
    processor = WhisperProcessor.from_pretrained(resolved.folder)
    return Pair(resolved, model.eval(), processor, reference)


def features(pair: Pair, clip: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(
        pair.processor(clip, sampling_rate=16000, return_tensors="np").input_features, np.float32
    )


def prompt(pair: Pair) -> list[int]:
    names = ["<|startoftranscript|>", "<|notimestamps|>"]
    if pair.ours.generation_config.is_multilingual:
        names[1:1] = ["<|en|>", "<|transcribe|>"]
    return list(pair.processor.tokenizer.convert_tokens_to_ids(names))


def shortfalls(
    pair: Pair, mel: npt.NDArray[np.float32], tokens: list[int]
) -> npt.NDArray[np.float32]:
    """How far each token, and the end after them, is below our most likely one, in logits."""
    import torch

    settings, start = pair.ours.generation_config, prompt(pair)
    with torch.inference_mode():
        out = pair.ours(torch.from_numpy(mel), decoder_input_ids=torch.tensor([start + tokens]))
        logits = out.logits[0, len(start) - 1 :]
        logits[:, settings.suppress_tokens] = -torch.inf
        logits[0, settings.begin_suppress_tokens] = -torch.inf
        chosen = logits[range(len(tokens) + 1), [*tokens, settings.eos_token_id]]
        return np.asarray((logits.max(dim=-1).values - chosen).numpy())


def test_encoder_output_agrees(pair: Pair, clips: list[npt.NDArray[np.float32]]) -> None:
    import ctranslate2
    import torch

    mel = features(pair, clips[0])
    theirs = np.asarray(pair.theirs.encode(ctranslate2.StorageView.from_array(mel)))
    with torch.inference_mode():
        ours = pair.ours.model.encoder(torch.from_numpy(mel)).last_hidden_state.numpy()
    assert ours.shape == theirs.shape
    # float32 on both sides; what is left is the order of summation.
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_their_greedy_tokens_are_ours_and_how_the_tokenizer_writes_them(
    pair: Pair, clips: list[npt.NDArray[np.float32]]
) -> None:
    import ctranslate2

    tokenizer = pair.processor.tokenizer
    for clip, sentence in zip(clips, SENTENCES, strict=True):
        mel = features(pair, clip)
        view = ctranslate2.StorageView.from_array(mel)
        result = pair.theirs.generate(view, [prompt(pair)], beam_size=1, max_length=64)
        theirs = list(result[0].sequences_ids[0])
        # Two tokens may be as likely as each other to the hundredth: which of them wins is then
        # a matter of the processor's order of summation. A wrong weight costs whole logits.
        assert shortfalls(pair, mel, theirs).max() < 0.05
        text = tokenizer.decode(theirs)
        assert set(sentence.lower().split()) & set(text.lower().split())
        # A tokenizer that lacks merges would write the same text with tokens no Whisper writes.
        assert tokenizer(text, add_special_tokens=False).input_ids == theirs


def test_control_tokens_resolve(pair: Pair) -> None:
    tokenizer, settings = pair.processor.tokenizer, pair.ours.generation_config
    shift = 1 if settings.is_multilingual else 0
    # openai/whisper tokenizer.py: GPT-2's 50257 tokens (one more if multilingual), then these.
    expected = {
        "<|endoftext|>": 50256,
        "<|startoftranscript|>": 50257,
        "<|en|>": 50258,
        "<|de|>": 50260,
        "<|startofprev|>": 50360,
        "<|notimestamps|>": 50362,
        "<|0.00|>": 50363,
        "<|30.00|>": 51863,
    }
    assert {name: tokenizer.convert_tokens_to_ids(name) - shift for name in expected} == expected
    assert settings.prev_sot_token_id == expected["<|startofprev|>"] + shift
    assert settings.no_timestamps_token_id == expected["<|notimestamps|>"] + shift
    assert len(tokenizer) == pair.ours.config.vocab_size


def test_int8_as_ctranslate2_writes_it(tmp_path: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    source = resolve_weights("whisper-tiny.en", tmp_path / "cache").folder
    TransformersConverter(str(source)).convert(str(tmp_path / "int8"), quantization="int8")
    parts = package_files(PACKAGES["whisper-tiny.en"])
    assert parts is not None
    exact = parse_container(parts[0].read_bytes(), "fp16").tensors
    rounded = parse_container((tmp_path / "int8" / "model.bin").read_bytes(), "int8").tensors
    assert set(exact) <= set(rounded)
    for name, values in exact.items():
        rows = values.astype(np.float32).reshape(values.shape[0], -1)
        step = np.abs(rows).max(axis=1, keepdims=True) / 127
        error = np.abs(rounded[name].astype(np.float32).reshape(rows.shape) - rows)
        assert np.all(error <= 0.501 * step + 1e-6), name


def test_a_damaged_copy_of_the_real_file_is_refused(tmp_path: Path) -> None:
    folder = original("whisper-tiny.en", tmp_path)
    with (folder / "model.bin").open("r+b") as file:
        file.truncate(70_000_000)
    with pytest.raises(EnvironmentProblem, match="cut short"):
        resolve_weights(str(folder), tmp_path / "cache")
