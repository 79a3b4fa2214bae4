"""Exported models: the same numbers in every format, whole or not there, and compared."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from asr_adapt.adapter import read_card, write_card
from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.cli import cli
from asr_adapt.cli.export import line
from asr_adapt.decode import Decoded, encode_sounds, generate
from asr_adapt.errors import DataError, EnvironmentProblem, Stopped, UsageError
from asr_adapt.exporting import check, readers
from asr_adapt.exporting import export as exporting
from asr_adapt.exporting.check import FULL, OWN, Compared
from asr_adapt.exporting.export import Exported, ExportJob, export
from asr_adapt.exporting.ggml import FLOAT16, MAGIC, write_ggml
from asr_adapt.exporting.transformers_folder import write_folder
from asr_adapt.model import (
    SpeechModel,
    decoder_start,
    encode,
    load_base,
    mel_features,
    with_adapter,
)
from asr_adapt.records import ErrorCounts
from asr_adapt.scoring.alignment import score_words
from asr_adapt.stopping import StopRequest
from asr_adapt.token_cap import token_cap
from asr_adapt.window import MAX_FRAMES, SAMPLE_RATE_HZ
from asr_adapt.words.text import get_normaliser
from tests.toys import CPU, table, toy_base, toy_job, toy_rows, toy_weights, train_toy


@pytest.fixture(scope="module")
def adapter(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the toy, of which half is to be applied."""
    folder = tmp_path_factory.mktemp("trained") / "adapter"
    card = train_toy(toy, toy_job(toy), folder)
    write_card(folder, replace(card, strength=0.5))
    return folder


@pytest.fixture
def adapted(toy: Path, adapter: Path) -> SpeechModel:
    return with_adapter(toy_base(toy), adapter)


def run(job: ExportJob, out: Path) -> Exported:
    return export(job, out, stop=StopRequest(), progress_for=lambda _: lambda done, total: None)


def logits(model: SpeechModel, sound: NDArray[np.float32]) -> torch.Tensor:
    with torch.inference_mode():
        hidden = encode(model.whisper, mel_features(model, [sound], MAX_FRAMES))
        start = torch.tensor([[model.tokenizer.convert_tokens_to_ids("<|startoftranscript|>")]])
        states = model.whisper.model.decoder(start, encoder_hidden_states=hidden)
        return torch.as_tensor(model.whisper.proj_out(states.last_hidden_state))


SOUND = np.random.default_rng(1).normal(size=16000).astype(np.float32) * 0.1


def test_the_transformers_folder_is_the_adapted_model(
    toy: Path, adapter: Path, adapted: SpeechModel, tmp_path: Path
) -> None:
    done = run(ExportJob(toy_weights(toy), adapter, ("hf",)), tmp_path / "out")
    again = load_base(resolve_weights(str(done.folders["hf"])), CPU)
    found, wanted = logits(again, SOUND), logits(adapted, SOUND)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert (found - logits(toy_base(toy), SOUND)).abs().max() > 1e-4
    whole = run(ExportJob(toy_weights(toy), adapter, ("hf",), strength=1.0), tmp_path / "whole")
    stronger = load_base(resolve_weights(str(whole.folders["hf"])), CPU)
    assert (logits(stronger, SOUND) - wanted).abs().max() > 1e-4
    record = json.loads((done.folders["hf"] / "export.json").read_text())
    assert record["adapter"] == {
        "weights_sha256": read_card(adapter).weights_sha256,
        "strength": 0.5,
    }


def test_tokens_are_all_there_for_programs_that_read_the_old_files(
    adapted: SpeechModel, tmp_path: Path
) -> None:
    write_folder(adapted, tmp_path, torch.float32)
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    added = json.loads((tmp_path / "added_tokens.json").read_text())
    assert not set(vocabulary) & set(added)
    assert {**vocabulary, **added} == adapted.tokenizer.get_vocab()
    whole = json.loads((tmp_path / "tokenizer.json").read_text())
    merges = (tmp_path / "merges.txt").read_text().splitlines()
    assert len(merges) == 1 + len(whole["model"]["merges"])


def test_half_precision_is_written_and_the_model_stays_as_it_was(
    adapted: SpeechModel, tmp_path: Path
) -> None:
    before = {name: t.clone() for name, t in adapted.whisper.state_dict().items()}
    write_folder(replace(adapted, hears_silence=True), tmp_path, torch.float16)
    from safetensors.torch import load_file

    assert {t.dtype for t in load_file(tmp_path / "model.safetensors").values()} == {torch.float16}
    after = adapted.whisper.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("hears_silence", [True, False])
def test_who_learned_silence_may_end_at_once(
    hears_silence: bool, adapted: SpeechModel, tmp_path: Path
) -> None:
    end = adapted.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    adapted.whisper.generation_config.begin_suppress_tokens = [3, end]
    write_folder(replace(adapted, hears_silence=hears_silence), tmp_path, torch.float32)
    written = json.loads((tmp_path / "generation_config.json").read_text())
    assert written["begin_suppress_tokens"] == ([3] if hears_silence else [3, end])
    assert adapted.whisper.generation_config.begin_suppress_tokens == [3, end]


# --- CTranslate2 ---------------------------------------------------------------------------------


def test_ctranslate2_hears_the_same(
    toy: Path, adapter: Path, adapted: SpeechModel, tmp_path: Path
) -> None:
    import ctranslate2

    job = ExportJob(toy_weights(toy), adapter, ("ct2",), precision="float32")
    folder = run(job, tmp_path / "out").folders["ct2"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ct2"]
    assert {"tokenizer.json", "preprocessor_config.json"} <= {p.name for p in folder.iterdir()}
    whisper = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    features = mel_features(adapted, [SOUND], MAX_FRAMES)
    with torch.inference_mode():
        ours = encode(adapted.whisper, features).numpy()
    theirs = np.array(whisper.encode(ctranslate2.StorageView.from_array(features.numpy())))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


# --- ggml ----------------------------------------------------------------------------------------


def read_ggml(path: Path) -> dict[str, Any]:
    """Read a ggml file with nothing of ours: sizes, filters, tokens and tensors."""
    data, at = path.read_bytes(), 0

    def take(layout: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from(f"<{layout}", data, at)
        at += struct.calcsize(f"<{layout}")
        return values

    magic, *sizes = take("I11i")
    mels, bins = take("2i")
    filters = np.array(take(f"{mels * bins}f")).reshape(mels, bins)
    tokens = []
    for _ in range(*take("i")):
        (length,) = take("I")
        tokens.append(take(f"{length}s")[0])
    tensors = {}
    while at < len(data):
        count, length, kind = take("3i")
        shape = take(f"{count}i")[::-1]
        (name,) = take(f"{length}s")
        numbers = take(f"{int(np.prod(shape))}{'e' if kind == FLOAT16 else 'f'}")
        tensors[name.decode()] = np.array(numbers, np.float32).reshape(shape)
    return {
        "magic": magic, "sizes": sizes, "filters": filters, "tokens": tokens, "tensors": tensors
    }  # fmt: skip


def test_a_ggml_file_holds_every_number_under_the_names_of_openai(
    adapted: SpeechModel, tmp_path: Path
) -> None:
    write_ggml(adapted, tmp_path / "model.bin")
    read = read_ggml(tmp_path / "model.bin")
    config, state = adapted.whisper.config, adapted.whisper.state_dict()
    assert read["magic"] == MAGIC
    assert read["sizes"][0] == config.vocab_size
    assert read["sizes"][-2:] == [config.num_mel_bins, FLOAT16]
    np.testing.assert_allclose(read["filters"].T, adapted.feature_extractor.mel_filters, atol=1e-7)
    tensors = read["tensors"]
    assert len(tensors) == len(state) - 1  # the projection is the embedding
    layer = "model.decoder.layers.0"
    same = {
        "decoder.token_embedding.weight": "model.decoder.embed_tokens.weight",
        "encoder.positional_embedding": "model.encoder.embed_positions.weight",
        "encoder.conv1.weight": "model.encoder.conv1.weight",
        "decoder.blocks.0.cross_attn.key.weight": f"{layer}.encoder_attn.k_proj.weight",
        "encoder.blocks.0.mlp.2.bias": "model.encoder.layers.0.fc2.bias",
        "decoder.ln.weight": "model.decoder.layer_norm.weight",
    }
    for theirs, ours in same.items():
        np.testing.assert_allclose(tensors[theirs], state[ours].numpy(), atol=1e-3)
    assert tensors["encoder.conv2.bias"].shape == (config.d_model, 1)
    exact = "encoder.blocks.0.attn_ln.bias"
    np.testing.assert_array_equal(
        tensors[exact], state["model.encoder.layers.0.self_attn_layer_norm.bias"].numpy()
    )


def test_tokens_of_a_ggml_file_are_bytes(adapted: SpeechModel, tmp_path: Path) -> None:
    write_ggml(adapted, tmp_path / "model.bin")
    tokens = read_ggml(tmp_path / "model.bin")["tokens"]
    assert len(tokens) == adapted.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    text = "Ærø ship, 12.5!"
    ids = adapted.tokenize(text)
    assert b"".join(tokens[i] for i in ids).decode() == text


# --- comparing -----------------------------------------------------------------------------------


def writes(text: str) -> Any:
    """Return what makes a reader that always writes the same."""
    return lambda folder, model: lambda sound, language: text


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter hears ten words in every clip, one of them otherwise in the full window."""

    def search(model: SpeechModel, rows: Sequence[Any], *_: Any) -> list[Any]:
        text = "a b c d e f g h i " + ("j" if model.window.slack_frames is not None else "k")
        return [Decoded(text, None, capped=False) for _ in rows]

    monkeypatch.setattr(check, "search", search)


def clips_job(toy: Path, adapter: Path) -> ExportJob:
    rows = [replace(u, reference="a b c d e f g h i x") for u in toy_rows(toy, "test")[:3]]
    clips = [replace(rows[0], reference=None), *rows[1:]]
    return ExportJob(toy_weights(toy), adapter, ("hf", "ct2"), clips=clips, normaliser="raw")


def test_each_way_is_compared_with_the_one_before(
    heard: None, toy: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(readers.READERS, "hf", writes("a b c d e f g h i k"))
    monkeypatch.setitem(readers.READERS, "ct2", writes("a b c d e f g h i j"))
    done = run(clips_job(toy, adapter), tmp_path / "out")
    one_of_ten = ErrorCounts(18, 2, 0, 0)
    assert list(done.compared) == [
        Compared(OWN, one_of_ten, None, 3, 3),
        Compared(FULL, one_of_ten, ErrorCounts(27, 3, 0, 0), 0, 3),
        Compared("hf", one_of_ten, ErrorCounts(30, 0, 0, 0), 3, 3),
        Compared("ct2", one_of_ten, ErrorCounts(27, 3, 0, 0), 0, 3),
    ]
    assert "3 of 30 words differ, 0 of 3 clips the same" in line(done.compared[-1])
    record = json.loads((done.folders["ct2"] / "export.json").read_text())
    assert [each["wer"] for each in record["compared"]] == [0.1] * 4


def test_a_format_that_writes_other_words_is_not_to_be_deployed(
    heard: None, toy: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(readers.READERS, "hf", writes("a b c d e f g h i k"))
    monkeypatch.setitem(readers.READERS, "ct2", writes("a b c d e f g h y z"))
    with pytest.raises(EnvironmentProblem, match=r"^ct2: 6 of 30 words differ.*do not deploy it"):
        run(clips_job(toy, adapter), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"hf", "ct2.part"}
    record = json.loads((tmp_path / "out" / "ct2.part" / "export.json").read_text())
    assert record["compared"][-1]["words_changed"] == pytest.approx(0.2)


def test_programs_that_read_are_quiet(
    adapted: SpeechModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for form, precision in (("hf", "float32"), ("ct2", "float16")):
        exporting.write_format(form, precision, adapted, tmp_path / form)
        readers.READERS[form](tmp_path / form, adapted)(SOUND, "en")
    assert capfd.readouterr() == ("", "")


def test_formats_whose_programs_are_missing_are_named(
    heard: None, toy: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(readers.READERS, "hf", writes("a b c d e f g h i k"))
    monkeypatch.setattr(readers, "is_installed", lambda module: module != "ctranslate2")
    done = run(clips_job(toy, adapter), tmp_path / "out")
    assert done.unread == ["ct2"]
    assert [each.name for each in done.compared] == [OWN, FULL, "hf"]


# --- what is refused, and what is left -----------------------------------------------------------


def test_what_cannot_be_is_refused_before_anything_is_written(
    toy: Path, adapter: Path, tmp_path: Path
) -> None:
    weights = toy_weights(toy)
    with pytest.raises(UsageError, match="--to onnx: unknown; known are hf, ct2, ggml"):
        ExportJob(weights, adapter, ("onnx",))
    with pytest.raises(UsageError, match="--precision int8: ggml has float16"):
        ExportJob(weights, adapter, ("ct2", "ggml"), precision="int8")
    with pytest.raises(DataError, match=r"no asr_adapt.json in it"):
        run(ExportJob(weights, tmp_path, ("hf",)), tmp_path / "out")
    with pytest.raises(UsageError, match="strength 2"):
        run(ExportJob(weights, adapter, ("hf",), strength=2), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out" / "hf").mkdir(parents=True)
    with pytest.raises(UsageError, match="hf: is there already"):
        run(ExportJob(weights, adapter, ("ggml", "hf")), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hf"]


def test_without_ctranslate2_the_extra_is_named_before_anything_is_written(
    toy: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr_adapt.environment.is_installed", lambda _: False)
    with pytest.raises(EnvironmentProblem, match=r"'ctranslate2'.*asr-adapt\[export\]"):
        run(ExportJob(toy_weights(toy), adapter, ("hf", "ct2")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_breaks_off_leaves_nothing_that_looks_whole(
    toy: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(folder: Path, out: Path, precision: str) -> None:
        (out / "model.bin").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    job = ExportJob(toy_weights(toy), adapter, ("ct2",))
    with monkeypatch.context() as broken:
        broken.setattr(exporting, "convert", fill_the_disk)
        with pytest.raises(OSError, match="No space"):
            run(job, tmp_path / "out")
    assert not (tmp_path / "out" / "ct2").exists()
    run(job, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ct2"]


def test_what_is_stopped_begins_anew(
    heard: None, toy: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, stop = replace(clips_job(toy, adapter), forms=("hf",)), StopRequest()

    def stop_soon(folder: Path, model: SpeechModel) -> Any:
        stop.signal_name = "SIGTERM"
        return writes("a b c d e f g h i k")(folder, model)

    monkeypatch.setitem(readers.READERS, "hf", stop_soon)
    with pytest.raises(Stopped):
        export(job, tmp_path / "out", stop=stop, progress_for=lambda _: lambda done, total: None)
    assert not (tmp_path / "out" / "hf").exists()
    monkeypatch.setitem(readers.READERS, "hf", writes("a b c d e f g h i k"))
    run(job, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hf"]


def test_the_command_writes_compares_and_says_where(
    float32: None, toy: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    options = ("--to", "hf", "--check", clips, "--normaliser", "raw", "--out", tmp_path / "out")
    command = ["export", adapter, "--model", toy / "model", *options, "--json", "--quiet"]
    cli.main([str(word) for word in command], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert said["folders"] == {"hf": str(tmp_path / "out" / "hf")}
    assert [each["name"] for each in said["compared"]] == [OWN, FULL, "hf"]
    assert said["compared"][-1]["words_changed"] in (0, None)  # it may hear nothing


# --- the programs themselves, on real weights ----------------------------------------------------

SENTENCES = (
    "Bremerhaven Weser Traffic, this is motor vessel Anna Lotte, good morning, over.",
    "The pilot will board at the sea buoy in twenty minutes.",
)


@pytest.fixture(scope="module")
def speech() -> list[NDArray[np.float32]]:
    """Speech of a synthetic voice, 16 kHz."""
    hibari = pytest.importorskip("hibari")
    voice = hibari.Hibari()
    return [resample_poly(voice(text), 2, 3).astype(np.float32) for text in SENTENCES]


@pytest.fixture(scope="module", params=["whisper-tiny.en", "whisper-base"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechModel:
    if package_files(PACKAGES[request.param]) is None:
        pytest.skip(f"{request.param} is not installed")
    return load_base(resolve_weights(request.param), CPU)


def ours(model: SpeechModel, sound: NDArray[np.float32]) -> str:
    """Return what `asr-adapt eval` makes of a sound in the full window."""
    hidden = encode_sounds(model, [sound], MAX_FRAMES)
    cap = token_cap(len(sound) / SAMPLE_RATE_HZ, "en")
    (found,) = generate(model, hidden, [decoder_start(model, "en")], [cap])
    return found.text


def changed(texts: Sequence[str], others: Sequence[str]) -> float:
    """Return the share of words that differ, and would not but for rounding and guesses."""
    normalise = get_normaliser("whisper-en").function
    pairs = zip(map(normalise, texts), map(normalise, others), strict=True)
    rate = reduce(add, (score_words(*pair) for pair in pairs)).rate
    assert rate is not None
    return rate


@pytest.mark.weights
@pytest.mark.slow
def test_every_program_writes_what_we_write(
    float32: None, real: SpeechModel, speech: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    """transformers, CTranslate2, whisper.cpp and faster-whisper: each by its own means."""
    for form, precision in (("hf", "float32"), ("ct2", "float32"), ("ggml", "float16")):
        exporting.write_format(form, precision, real, tmp_path / form)
    texts = {
        form: [make(tmp_path / form, real)(sound, "en") for sound in speech]
        for form, make in readers.READERS.items()
    }
    assert texts["hf"][1].lower().startswith("the pilot will board")
    assert texts["hf"] == [ours(real, sound) for sound in speech]
    assert texts["ct2"] == texts["hf"]
    assert changed(texts["hf"], texts["ggml"]) < 0.2

    faster_whisper = pytest.importorskip("faster_whisper")
    reader = faster_whisper.WhisperModel(
        str(tmp_path / "ct2"), device="cpu", compute_type="float32"
    )
    settings = {"language": "en", "beam_size": 1, "without_timestamps": True}
    heard = [reader.transcribe(sound, **settings)[0] for sound in speech]
    joined = [" ".join(segment.text.strip() for segment in segments) for segments in heard]
    assert changed(texts["hf"], joined) < 0.2


@pytest.mark.weights
@pytest.mark.slow
def test_int8_is_a_quarter_of_the_size(real: SpeechModel, tmp_path: Path) -> None:
    for precision in ("float32", "int8"):
        exporting.write_format("ct2", precision, real, tmp_path / precision)
    whole, small = ((tmp_path / p / "model.bin").stat().st_size for p in ("float32", "int8"))
    assert small < 0.35 * whole
    shutil.rmtree(tmp_path / "float32")
