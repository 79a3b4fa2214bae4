"""Recipes: each one loads, says how it is run, stands alone and makes the data it names."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from asr_adapt.config import RecipeConfig, load_recipe

ROOT = Path(__file__).resolve().parent.parent.parent
RECIPES = sorted((ROOT / "recipes").rglob("recipe.toml"))
FOLDERS = [path.parent for path in RECIPES]


def name_of(path: Path) -> str:
    """Return the folder's name, for test ids."""
    return path.parent.name if path.is_file() else path.name


def test_there_are_recipes_and_nothing_else() -> None:
    folders = {p for p in (ROOT / "recipes").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert {"maritime", "dialogue", "telephone", "toy"} <= {p.name for p in folders}
    assert folders == set(FOLDERS)


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
@pytest.mark.parametrize("size", ["demo", "full"])
def test_a_recipe_loads(path: Path, size: str) -> None:
    config = load_recipe(path, [f"size={size}"])
    assert config.name == path.parent.name
    assert config.test[0].role == "domain"


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_the_first_line_is_the_command(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# asr-adapt run {path.relative_to(ROOT)}")


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_recipe_has_a_readme_and_makes_its_data(folder: Path) -> None:
    assert (folder / "prepare.py").is_file()
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")


def manifests(config: RecipeConfig) -> list[str]:
    """Return the manifests that a recipe reads."""
    data = config.data
    named = [data.train, data.dev, data.general] if data else []
    return [name for name in named if name] + [test.manifest for test in config.test]


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_every_manifest_is_made_by_a_prepare_script(path: Path) -> None:
    config = load_recipe(path)
    made = {step.name for step in config.prepare}
    assert {Path(name).parts[0] for name in manifests(config)} <= made
    for step in config.prepare:
        assert (config.folder / step.script).is_file(), step.script


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_no_test_set_is_trained_on(path: Path) -> None:
    config = load_recipe(path)
    if config.data:
        trained = {config.data.train, config.data.dev, config.data.general}
        assert not trained & {test.manifest for test in config.test}


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_recipes_do_not_import_one_another(folder: Path) -> None:
    own = {path.stem for path in folder.glob("*.py")}
    others = {path.stem for other in FOLDERS if other != folder for path in other.glob("*.py")}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in (n.split(".")[0] for n in names):
                assert name != "recipes"
                assert name in own or name not in others or name in sys.stdlib_module_names


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_recipes_train_and_decode_nothing_themselves(folder: Path) -> None:
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for module in ("train", "decode", "evaluate", "recipe", "cli"):
            assert f"asr_adapt.{module}" not in text, f"{path} uses {module}"
