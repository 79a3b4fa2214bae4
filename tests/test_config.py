"""Recipe files: every problem in one message, nothing unknown, no wrong type let through."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.config import apply_override, load_recipe
from asr_adapt.errors import UsageError
from asr_adapt.settings import (
    Augmentation,
    DecodeSettings,
    LoraSettings,
    PromptMix,
    TrainSettings,
)

SMALLEST = """
name = "small"
title = "The smallest recipe"
model = "whisper-tiny.en"

[[test]]
name = "calls"
title = "Calls"
manifest = "calls.jsonl"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The smallest recipe as a file."""
    path = tmp_path / "recipe.toml"
    path.write_text(SMALLEST)
    return path


def refused(path: Path, *overrides: str) -> str:
    """Return the message with which a recipe is refused."""
    with pytest.raises(UsageError) as error:
        load_recipe(path, overrides)
    return str(error.value)


def test_the_smallest_recipe_has_defaults(recipe: Path) -> None:
    config = load_recipe(recipe)
    assert config.train == TrainSettings()
    assert config.decode == DecodeSettings()
    assert config.data is None
    assert config.folder == recipe.parent.resolve()
    assert config.test[0].role == "domain"


def test_every_problem_is_in_one_message(recipe: Path) -> None:
    recipe.write_text(
        SMALLEST.replace('model = "whisper-tiny.en"', "")
        + 'role = "domain"\ncolour = "blue"\n[train]\nepochs = "three"\nspeed = 3\n'
        + "[train.lora]\nrank = 0\n[decode]\nbeam_size = true\n"
    )
    message = refused(recipe)
    for part in (
        "recipe.toml",
        "model: missing",
        "test[0].colour: unknown key",
        "train.epochs: 'three'",
        "train.speed: unknown key",
        "train.lora: LoRA rank",
        "decode.beam_size: True",
    ):
        assert part in message, part
    assert "\n" not in message


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.epoch=4", "train.epoch: unknown key (known: augment, average_last, batch_size"),
        ("train.epochs=4.5", "should be of type int"),
        ("train.epochs=0", "epochs is 0"),
        ("train.epochs", "write key=value"),
        ("=4", "write key=value"),
        ("name.first=x", "name is no table"),
        ("train=4", "train: should be a table"),
        ("test=[]", "at least one test set"),
        ("test=4", "test: should be a list"),
        ("size=huge", "'huge' is unknown (known: demo, full)"),
        ("normaliser=klingon", "'klingon' is unknown (known: auto, raw, "),
        ("seed=-1", "seed"),
        ("training_seed=-1", "training_seed"),
        ("folder=/", "folder: unknown key"),
        ("train.learning_rate=0", "learning_rate"),
        ("train.augment.channel=vfh", "none, vhf"),
        ("prompts.template=ships", "{phrases}"),
        ("train.mix.true_share=0.95", "add up"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(override: str, says: str, recipe: Path) -> None:
    assert says in refused(recipe, override)


def test_overrides_reach_into_tables_and_keep_types(recipe: Path) -> None:
    config = load_recipe(
        recipe,
        [
            "train.epochs=7",
            "train.learning_rate=1",
            "train.lora.targets=['q_proj']",
            "model=openai/whisper-small",
            "title=a = b # c",
            "data={train='a.jsonl', dev='b.jsonl'}",
        ],
    )
    assert config.train.epochs == 7
    assert config.train.rate == 1.0
    assert config.train.lora.targets == ("q_proj",)
    assert config.model == "openai/whisper-small"
    assert config.title == "a = b # c"
    assert config.data is not None
    assert config.data.dev == "b.jsonl"


@given(st.text(max_size=30))
def test_any_override_is_obeyed_or_refused_in_words(text: str) -> None:
    table: dict[str, object] = {"train": {}, "name": "x"}
    with suppress(UsageError):
        apply_override(table, text)


@given(st.text("ab.=[]{}'\"1, \n", max_size=12))
def test_any_value_ends_as_one_key(text: str) -> None:
    table: dict[str, object] = {}
    apply_override(table, f"key={text}")
    assert list(table) == ["key"]


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"[a]\n[a]"])
def test_what_is_no_toml_is_refused_by_name(content: bytes, recipe: Path) -> None:
    recipe.write_bytes(content)
    assert "recipe.toml" in refused(recipe)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    assert "nowhere.toml" in refused(tmp_path / "nowhere.toml")


def test_test_sets_need_names_of_their_own_and_known_roles(recipe: Path) -> None:
    second = SMALLEST[SMALLEST.index("[[test]]") :]
    recipe.write_text(SMALLEST + second)
    assert "not unique" in refused(recipe)
    recipe.write_text(SMALLEST + 'role = "main"\n')
    assert "'main' is unknown (known: domain, real, general, silence)" in refused(recipe)
    recipe.write_text(SMALLEST.replace('"calls"', '"../../up"'))
    assert "names a folder" in refused(recipe)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainSettings(learning_rate=0.0),
        lambda: TrainSettings(learning_rate=float("nan")),
        lambda: TrainSettings(warmup_share=1.0),
        lambda: TrainSettings(window_slack_frames=1500),
        lambda: TrainSettings(window_least_frames=1501),
        lambda: TrainSettings(method="half"),
        lambda: LoraSettings(rank=0),
        lambda: LoraSettings(dropout=1.0),
        lambda: LoraSettings(targets=()),
        lambda: PromptMix(true_share=-0.1),
        lambda: PromptMix(max_distractors=-1),
        lambda: Augmentation(cnr_db_low=10, cnr_db_high=5),
        lambda: Augmentation(time_mask_share=1.0),
        lambda: DecodeSettings(batch_size=0),
    ],
)
def test_settings_out_of_range_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(UsageError):
        make()


def test_the_learning_rate_goes_with_the_method() -> None:
    # All weights together move further than a small change to each.
    assert TrainSettings(method="full").rate < TrainSettings(method="lora").rate / 10
    assert TrainSettings(method="full", learning_rate=0.5).rate == 0.5


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("strength=1.5",), "strength: 1.5"),
        (("strength=-0.1",), "strength: -0.1"),
        (("strength=nan",), "strength: nan"),
        (("strength=0.6", "train.method=full"), "all weights"),
        (("strength=0.6", "train.lora.variant=dora"), "dora"),
    ],
)
def test_a_strength_that_could_not_be_applied_is_refused_before_training(
    overrides: tuple[str, ...], says: str, recipe: Path
) -> None:
    assert says in refused(recipe, *overrides)
    # All of the change is there in every method.
    load_recipe(recipe, ["strength=1", *overrides[1:]])


def test_another_training_seed_leaves_the_data_as_they_are() -> None:
    recipe = Path(__file__).parents[1] / "recipes/toy/recipe.toml"
    plain, other = load_recipe(recipe), load_recipe(recipe, ["training_seed=7"])
    assert (plain.seed, plain.adapter_seed) == (other.seed, plain.seed)
    assert other.adapter_seed == 7
