"""The model: its encoder is transformers' own, and an adapter is loaded whole or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from asr_adapt.adapter import read_card, write_card
from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.errors import DataError, EnvironmentProblem, UsageError
from asr_adapt.files import file_sha256
from asr_adapt.model import (
    SpeechModel,
    autocast,
    autocast_steps,
    computes_bfloat16,
    decoder_start,
    encode,
    load_base,
    mel_features,
    pick_device,
    prompted_start,
    spare_casts,
    with_adapter,
    with_new_lora,
)
from asr_adapt.settings import PARTS, VARIANTS, LoraSettings
from asr_adapt.training.selection import save_weights
from tests.toys import CPU, toy_base, toy_job, train_toy

Tensors = dict[str, torch.Tensor]


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(int(16_000 * seconds))).astype(np.float32)


@torch.inference_mode()
def logits(model: SpeechModel, network: Any = None) -> torch.Tensor:
    """Return the model's logits for two sounds and some tokens."""
    return logits_of(mel_features(model, [sound(1.0, 1), sound(1.5, 2)], 100), model, network)


def logits_of(features: torch.Tensor, model: SpeechModel, network: Any = None) -> torch.Tensor:
    """Return the model's logits for two sounds' features and some tokens."""
    tokens = torch.tensor([[257, 262, 10, 11, 12], [257, 262, 40, 41, 42]])
    hidden = encode(model.whisper, features)
    network = network or model.network
    output: torch.Tensor = network(encoder_outputs=(hidden,), decoder_input_ids=tokens).logits
    return output


@pytest.fixture(scope="module")
def adapter(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter trained on the toy."""
    folder = tmp_path_factory.mktemp("adapter") / "lora"
    train_toy(toy, toy_job(toy), folder)
    return folder


@pytest.fixture
def copy(adapter: Path, tmp_path: Path) -> Path:
    """A copy of the adapter that a test may spoil."""
    for path in adapter.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def spoil(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Change the tensors of an adapter, and its card's checksum with them."""
    path = folder / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)
    row = json.loads((folder / "asr_adapt.json").read_text())
    (folder / "asr_adapt.json").write_text(json.dumps({**row, "weights_sha256": file_sha256(path)}))


@torch.inference_mode()
def assert_full_window_is_transformers(model: SpeechModel) -> None:
    features = mel_features(model, [sound(3.0), sound(30.0)], 1500)
    theirs = model.whisper.model.encoder(features).last_hidden_state
    assert torch.allclose(encode(model.whisper, features), theirs, atol=1e-5, rtol=1e-5)


def test_the_full_window_is_transformers_own_encoder(toy: Path) -> None:
    assert_full_window_is_transformers(toy_base(toy))


@pytest.mark.weights
def test_the_full_window_is_transformers_own_encoder_with_real_weights() -> None:
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    assert_full_window_is_transformers(load_base(resolve_weights("whisper-tiny.en"), CPU))


@torch.inference_mode()
def test_a_trimmed_window_computes_its_own_frames(toy: Path) -> None:
    model = toy_base(toy)
    for frames in (50, 100, 1500):
        features = mel_features(model, [sound(0.9)], frames)
        assert features.shape == (1, 80, 2 * frames)
        assert encode(model.whisper, features).shape == (1, frames, 64)


def test_a_fresh_lora_changes_nothing(toy: Path) -> None:
    base = toy_base(toy)
    before = logits(base)
    adapted = with_new_lora(base, LoraSettings(), seed=1)
    adapted.network.eval()
    assert torch.allclose(logits(adapted), before, atol=1e-6)


def test_only_lora_weights_are_trained(toy: Path) -> None:
    adapted = with_new_lora(toy_base(toy), LoraSettings(), seed=1)
    named = dict(adapted.network.named_parameters())
    trained = {name for name, p in named.items() if p.requires_grad}
    assert trained == {name for name in named if "lora_" in name}
    # q, k, v, out of one encoder layer and of two attentions in one decoder layer, and their fc1
    # and fc2: each with an A and a B.
    assert len(trained) == 2 * (4 + 2 + 8 + 2)


@pytest.mark.parametrize("part", PARTS)
def test_lora_goes_on_the_part_asked_for(part: str, toy: Path) -> None:
    adapted = with_new_lora(toy_base(toy), LoraSettings(parts=(part,)), seed=1)
    trained = [name for name, p in adapted.network.named_parameters() if p.requires_grad]
    assert trained
    assert all(f".{part}." in name for name in trained)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_and_is_read_back(variant: str, toy: Path, tmp_path: Path) -> None:
    job = toy_job(toy)
    settings = replace(job.settings, lora=LoraSettings(rank=4, alpha=8, variant=variant))
    card = train_toy(toy, replace(job, settings=settings), tmp_path / variant)
    assert card.settings["lora"]["variant"] == variant
    change = logits(with_adapter(toy_base(toy), tmp_path / variant)) - logits(toy_base(toy))
    assert change.abs().max() > 1e-3


def test_the_seed_decides_the_first_weights(toy: Path) -> None:
    torch.manual_seed(5)
    states = [
        with_new_lora(toy_base(toy), LoraSettings(), seed=s).network.state_dict() for s in (1, 1, 2)
    ]
    names = [name for name in states[0] if "lora_A" in name]
    assert all(torch.equal(states[0][n], states[1][n]) for n in names)
    assert not any(torch.equal(states[0][n], states[2][n]) for n in names)


def with_random_lora(toy: Path, settings: LoraSettings) -> SpeechModel:
    """Put a LoRA with random lora_B on the toy, so that its change is large."""
    live = with_new_lora(toy_base(toy), settings, seed=1)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in live.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return live


def test_merged_weights_compute_what_the_adapter_did(
    toy: Path, adapter: Path, tmp_path: Path
) -> None:
    """A large change, saved, loaded and merged."""
    live = with_random_lora(toy, LoraSettings())
    live.network.eval()
    folder = tmp_path / "random"
    save_weights(live, folder)
    sha256 = file_sha256(folder / "adapter_model.safetensors")
    card = replace(read_card(adapter), weights_sha256=sha256, strength=1.0)
    write_card(folder, card)
    unmerged, base = logits(live), logits(toy_base(toy))
    assert (unmerged - base).abs().max() > 0.1
    merged = with_adapter(toy_base(toy), folder)
    assert torch.allclose(logits(merged), unmerged, atol=1e-4)
    assert merged.card == card
    assert merged.window == card.window

    write_card(folder, replace(card, strength=0.0))
    assert torch.allclose(logits(with_adapter(toy_base(toy), folder)), base, atol=1e-6)
    asked = with_adapter(toy_base(toy), folder, strength=1.0)
    assert torch.allclose(logits(asked), unmerged, atol=1e-4)
    assert asked.card is not None
    assert asked.card.strength == 1.0
    with pytest.raises(UsageError, match=r"1\.5"):
        with_adapter(toy_base(toy), folder, strength=1.5)
    # At half strength every merged matrix lies in the middle.
    write_card(folder, replace(card, strength=0.5))
    half = with_adapter(toy_base(toy), folder).whisper.state_dict()
    none, full = toy_base(toy).whisper.state_dict(), merged.whisper.state_dict()
    for name, weight in half.items():
        assert torch.allclose(weight, (none[name] + full[name]) / 2, atol=1e-6), name


def test_spared_casts_leave_every_gradient_as_it_is(toy: Path) -> None:
    def gradients(spared: bool) -> dict[str, torch.Tensor]:
        live = with_random_lora(toy, LoraSettings(dropout=0.0))
        if spared:
            spare_casts(live)
        features = mel_features(live, [sound(1.0, 1), sound(1.5, 2)], 100)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits_of(features, live).float().square().mean().backward()  # type: ignore[no-untyped-call]
        free = [(name, p) for name, p in live.network.named_parameters() if p.requires_grad]
        return {name: p.grad for name, p in free if p.grad is not None}

    usual, spared = gradients(False), gradients(True)
    assert usual.keys() == spared.keys()
    assert any(gradient.any() for gradient in usual.values())
    assert all(torch.equal(usual[name], spared[name]) for name in usual)


def test_a_merged_model_has_nothing_left_to_train(toy: Path, adapter: Path) -> None:
    model = with_adapter(toy_base(toy), adapter)
    assert not any(p.requires_grad for p in model.network.parameters())
    assert not any("lora" in name for name, _ in model.network.named_parameters())
    assert not model.network.training


def test_an_adapter_for_other_weights_is_refused(toy: Path, adapter: Path) -> None:
    other = replace(toy_base(toy), sha256="f" * 64, name="other")
    with pytest.raises(DataError, match=r"trained on model .*, not on other"):
        with_adapter(other, adapter)


def first(tensors: Tensors, part: str = "lora_B") -> str:
    """Return the first name with ``part`` in it."""
    return sorted(name for name in tensors if part in name)[0]


def without_one(tensors: Tensors) -> Tensors:
    return {k: v for k, v in tensors.items() if k != first(tensors)}


def with_one_renamed(tensors: Tensors) -> Tensors:
    name = first(tensors)
    return {(f"model.{k}" if k == name else k): v for k, v in tensors.items()}


def with_one_more(tensors: Tensors) -> Tensors:
    return {**tensors, "base_model.model.model.decoder.layers.9.fc1.lora_A.weight": torch.ones(1)}


def with_one_cut(tensors: Tensors) -> Tensors:
    name = first(tensors)
    return {**tensors, name: tensors[name][:-1].contiguous()}


def with_zeros(tensors: Tensors) -> Tensors:
    return {k: torch.zeros_like(v) if "lora_B" in k else v for k, v in tensors.items()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_one, "1 adapter tensors missing"),
        (with_one_renamed, "1 adapter tensors missing"),
        (with_one_more, "1 adapter tensors unexpected"),
        (with_one_cut, "1 adapter tensors of wrong shape"),
        (with_zeros, "never trained"),
        (lambda tensors: {}, "missing"),
    ],
    ids=["missing", "renamed", "extra", "wrong shape", "zero", "empty"],
)
def test_an_adapter_that_would_stay_the_base_is_refused(
    change: Callable[[Tensors], Tensors], says: str, toy: Path, copy: Path
) -> None:
    spoil(copy, change)
    with pytest.raises(DataError, match=says):
        with_adapter(toy_base(toy), copy)


def test_changed_weights_are_refused(toy: Path, copy: Path) -> None:
    path = copy / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="checksum"):
        with_adapter(toy_base(toy), copy)


def test_a_full_fine_tune_replaces_all_weights(toy: Path, tmp_path: Path) -> None:
    card = train_toy(toy, toy_job(toy, "full"), tmp_path / "full")
    model = with_adapter(toy_base(toy), tmp_path / "full")
    assert model.window == card.window
    assert not torch.allclose(logits(model), logits(toy_base(toy)), atol=1e-3)
    saved = load_file(tmp_path / "full" / "model.safetensors")
    weights = model.whisper.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in saved.items())


def test_the_start_of_a_transcript(toy: Path) -> None:
    model = toy_base(toy)
    read = model.tokenizer.convert_ids_to_tokens
    assert read(decoder_start(model, "en")) == ["<|startoftranscript|>", "<|notimestamps|>"]
    assert prompted_start(model, (), "en") == decoder_start(model, "en")
    prompted = prompted_start(model, (5, 6), "en")
    assert read(prompted[:1]) == ["<|startofprev|>"]
    assert prompted[1:] == [5, 6, *decoder_start(model, "en")]
    with pytest.raises(DataError, match="English only"):
        decoder_start(model, "de")


@pytest.mark.weights
def test_the_start_of_a_multilingual_transcript() -> None:
    if package_files(PACKAGES["whisper-base"]) is None:
        pytest.skip("whisper-base is not installed")
    model = load_base(resolve_weights("whisper-base"), CPU)
    # The same ids as transformers' own forced start.
    for language in ("en", "de"):
        prompt = model.tokenizer.get_decoder_prompt_ids(task="transcribe", language=language)
        assert decoder_start(model, language)[1:] == [token for _, token in prompt]
    with pytest.raises(DataError, match="'xx'"):
        decoder_start(model, "xx")


@pytest.mark.parametrize(
    ("known", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_bf16": False}, False)],
)
def test_processors_compute_in_bfloat16_if_they_have_instructions_for_it(
    known: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert computes_bfloat16(CPU) is expected
    with autocast(CPU):
        assert torch.is_autocast_enabled("cpu") is expected
    with autocast_steps(CPU):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.weights
def test_bfloat16_hears_what_float32_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoder outputs differ by what eight bits of mantissa explain, over a dozen layers."""
    model = load_base(resolve_weights("whisper-tiny.en"), CPU)
    features = torch.randn(2, 80, 3000, generator=torch.Generator().manual_seed(1))
    outputs = {}
    for enabled in (False, True):
        monkeypatch.setattr("asr_adapt.model.computes_bfloat16", lambda _, on=enabled: on)
        with torch.inference_mode(), autocast(CPU):
            outputs[enabled] = encode(model.whisper, features).float()
    apart = (outputs[True] - outputs[False]).norm() / outputs[False].norm()
    assert 0 < apart < 0.02


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda")
    for name in ("abacus", "mps", "meta", "cuda:", "cuda:x"):
        with pytest.raises(UsageError, match=name):
            pick_device(name)
    if not torch.cuda.is_available():
        with pytest.raises(EnvironmentProblem, match="--device cpu"):
            pick_device("cuda")


def test_only_gpus_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(EnvironmentProblem, match="sees 2 GPUs"):
        pick_device("cuda:2")
