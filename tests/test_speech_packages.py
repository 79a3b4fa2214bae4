"""The real Debian packages of speech, and the recipes made from them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from asr_adapt.manifest import read_manifest
from asr_adapt.records import Utterance
from asr_adapt.sources.asterisk import SOUND_PACKAGE, TEXT_PACKAGE, find_asterisk
from asr_adapt.sources.debian import fetch_debian
from asr_adapt.sources.fotaq import PACKAGE, read_fotaq, split_speakers
from asr_adapt.sources.sky import PACKAGE as SKY_PACKAGE
from asr_adapt.sources.sky import open_sky, read_sky
from asr_adapt.splits import check_leaks, hold_out, shared_blocks
from asr_adapt.spoken_calls.everyday import DEV_SENTENCES, SENTENCES
from asr_adapt.words.text import get_normaliser

RECIPES = Path(__file__).parent.parent / "recipes"

pytestmark = pytest.mark.debian


@pytest.fixture(scope="module")
def packages(pytestconfig: pytest.Config) -> Path:
    cache = pytestconfig.cache
    assert cache is not None
    return cache.mkdir("debian-packages")


@pytest.fixture(scope="module")
def fotaq(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    return read_fotaq(fetch_debian(PACKAGE, packages), tmp_path_factory.mktemp("fotaq"))


def _load(recipe: str) -> ModuleType:
    path = RECIPES / recipe / "prepare.py"
    spec = importlib.util.spec_from_file_location(f"prepare_{recipe}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_game_has_its_lines(fotaq: list[Utterance]) -> None:
    assert len(fotaq) >= 6500
    assert all(any(letter.isalpha() for letter in u.reference or "") for u in fotaq)
    assert not any("*" in (u.reference or "") for u in fotaq)
    assert 260 < sum(u.duration_s for u in fotaq) / 60 < 280
    known = [u for u in fotaq if u.speaker]
    assert len(known) > 0.95 * len(fotaq)
    # Speech runs at two to four words a second; texts given to the wrong file would not.
    rates = [len((u.reference or "").split()) / u.duration_s for u in known if u.duration_s >= 2]
    assert 2 < float(np.median(rates)) < 3
    assert float(np.quantile(rates, 0.99)) < 5


def test_the_second_game_has_its_lines(packages: Path, tmp_path: Path) -> None:
    lines = read_sky(open_sky(fetch_debian(SKY_PACKAGE, packages)), tmp_path, (3.0, 8.0))
    assert len(lines) > 390
    texts = [line.reference or "" for line in lines]
    assert all(re.fullmatch(r"[A-Za-z0-9' .,!?-]+", text) for text in texts)
    rates = [len(line.reference.split()) / line.duration_s for line in lines if line.reference]
    assert 2 < float(np.median(rates)) < 3.5
    assert float(np.quantile(rates, 0.99)) < 5


def test_longer_texts_take_longer(fotaq: list[Utterance]) -> None:
    """The one check of text against sound that needs no recogniser."""
    words = [u for u in fotaq if u.tags["kind"] == "words"]
    letters = [len(u.reference or "") for u in words]
    correlation = np.corrcoef(letters, [u.duration_s for u in words])[0, 1]
    assert correlation > 0.8


def test_no_voice_and_no_recording_is_on_two_sides(fotaq: list[Utterance]) -> None:
    split = split_speakers(fotaq)
    assert min(len(split.train), len(split.dev), len(split.test)) > 500
    for one, other in (
        (split.train, split.dev),
        (split.train, split.test),
        (split.dev, split.test),
    ):
        check_leaks(one, other, phrase_groups=False)


def test_the_prompts_are_there(packages: Path) -> None:
    prompts = find_asterisk(
        fetch_debian(SOUND_PACKAGE, packages), fetch_debian(TEXT_PACKAGE, packages)
    )
    assert len(prompts) >= 540
    assert not any(set("[]<>()") & set(p.reference or "") for p in prompts)


def test_no_everyday_sentence_is_a_prompt(packages: Path) -> None:
    normalise = get_normaliser("spoken-en").function
    prompts = find_asterisk(
        fetch_debian(SOUND_PACKAGE, packages), fetch_debian(TEXT_PACKAGE, packages)
    )
    known = {normalise(prompt.reference or "") for prompt in prompts}
    texts = (file.read_text(encoding="utf-8") for file in (SENTENCES, DEV_SENTENCES))
    sentences = [line for text in texts for line in text.splitlines()]
    assert [each for each in sentences if normalise(each) in known] == []


@pytest.mark.parametrize(
    ("recipe", "names"),
    [("dialogue", ["train", "dev", "test", "general"]), ("telephone", ["test"])],
)
def test_recipes_make_the_same_bytes_twice(
    packages: Path, tmp_path: Path, recipe: str, names: list[str]
) -> None:
    prepare = _load(recipe).prepare
    for folder in ("a", "b"):
        prepare(packages, tmp_path / folder, "demo", 3)
    for name in names:
        first, second = (tmp_path / f / f"{name}.jsonl" for f in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
        assert read_manifest(first)
    prepare(packages, tmp_path / "c", "demo", 4)
    assert (tmp_path / "c/test.jsonl").read_bytes() != (tmp_path / "a/test.jsonl").read_bytes()


def test_the_dialogue_recipe_trains_on_no_name_of_its_test(packages: Path, tmp_path: Path) -> None:
    _load("dialogue").prepare(packages, tmp_path, "demo", 1)
    train, dev, test, general = (
        read_manifest(tmp_path / f"{n}.jsonl") for n in ("train", "dev", "test", "general")
    )
    assert (len(train), len(dev), len(test), len(general)) == (300, 40, 80, 120)
    assert not {u.utterance_id for u in [*train, *dev]} & {u.utterance_id for u in general}
    held, rest = hold_out(general, train, 80, 1)
    assert len(held) >= 20
    assert not shared_blocks(train, [general[i] for i in held])
    check_leaks([general[i] for i in rest], [*dev, *test])
    check_leaks(general, test)
    check_leaks([*train, *dev], test)
    check_leaks(train, dev)
