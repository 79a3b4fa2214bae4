"""Every experiment of `scripts/methods` is a recipe that loads, and asks one thing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from asr_adapt.config import RecipeConfig, load_recipe
from tests.conftest import load_script

ROOT = Path(__file__).parents[1]
NAMES = sorted(
    p.stem for p in (ROOT / "recipes/maritime/methods").glob("*.toml") if p.stem != "defaults"
)


@pytest.fixture(scope="module")
def methods() -> ModuleType:
    return load_script(ROOT / "scripts/methods")


def config_of(methods: ModuleType, name: str) -> RecipeConfig:
    """Return the recipe as asr-adapt would load it."""
    arguments: list[str] = methods.command_for(name, Path("out"), 1)
    sets = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--set"]
    return load_recipe(ROOT / arguments[1], sets)


def leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten a settings dataclass."""
    if not dataclasses.is_dataclass(value):
        return {prefix: value}
    parts = [
        leaves(getattr(value, f.name), f"{prefix}.{f.name}") for f in dataclasses.fields(value)
    ]
    return {key: leaf for part in parts for key, leaf in part.items()}


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_loads_and_differs_from_the_default(methods: ModuleType, name: str) -> None:
    default = leaves(load_recipe(ROOT / methods.RECIPE))
    changed = leaves(config_of(methods, name))
    different = {key for key in default if default[key] != changed[key]}
    assert different - {".arms", ".strength"}  # what all experiments share
    assert methods.question(name).endswith((".", "?", ")"))


def test_rows_become_a_table_between_the_marks(
    methods: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text(f"before\n{methods.BEGIN}old\n{methods.END}after\n")
    monkeypatch.setattr(methods, "METHODS", tmp_path)
    monkeypatch.setattr(methods, "RESULT", tmp_path / "methods.json")
    row = {
        "name": "lora-r4",
        "sets": {
            "domain": {"lora": 0.25, "lora+bias": 0.125},
            "real": {"lora": 0.3},
            "general": {"lora": 0.05},
        },
        "strength": 0.8,
        "trainable_parameters": 270_336,
        "size_bytes": 1_100_000,
        "training_s": 301.4,
        "commit": "0123456789ab-dirty",
    }
    methods.write([row])
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    for cell in ("25.0", "12.5", "30.0", "5.0", "0.8", "0.27 M", "1.1", "301", "0123456"):
        assert f" {cell} " in text
    assert json.loads((tmp_path / "methods.json").read_text())["rows"] == [row]


def test_rows_of_experiments_that_were_not_run_stay(methods: ModuleType) -> None:
    old = [{"name": "full", "wer": 1}, {"name": "gone", "wer": 2}, {"name": "no-replay", "wer": 3}]
    new = [{"name": "dora", "wer": 4}, {"name": "no-replay", "wer": 5}]
    rows = methods.merged(new, old, ["dora", "full", "no-replay", "rate"])
    assert rows == [new[0], old[0], new[1]]
