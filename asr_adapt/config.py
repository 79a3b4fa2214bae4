"""``recipe.toml`` to `RecipeConfig`; every problem of the file is reported at once.

Only `recipe` and `cli` see a `RecipeConfig`: below them functions take plain arguments.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from asr_adapt.errors import UsageError
from asr_adapt.records import ARMS
from asr_adapt.settings import MAX_SEED, BiasSettings, DecodeSettings, PromptSettings, TrainSettings
from asr_adapt.words.text import ASKED_FOR, BY_LANGUAGE

ROLES = ("domain", "real", "general", "silence")
SIZES = ("demo", "full")
FOLDER_NAME = re.compile(r"[A-Za-z0-9][\w-]*")

Section = TypeVar("Section")


@dataclass(frozen=True, slots=True)
class PrepareConfig:
    """A script that makes data.

    Attributes:
        name: folder below the data folder that it writes.
        script: path of the script, relative to the recipe's folder.
    """

    name: str
    script: str


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Manifests to train on, relative to the data folder.

    Attributes:
        train: labelled speech of the domain.
        dev: speech to choose the best step with; never test speech.
        general: speech from outside the domain, mixed in so that it is not forgotten.
        unseen_phrases: refuse a context phrase of the test sets that is spoken in training.
        known_phrases: a file of phrases that may be, one a line, such as places.
    """

    train: str
    dev: str
    general: str | None = None
    unseen_phrases: bool = True
    known_phrases: str | None = None


@dataclass(frozen=True, slots=True)
class TestConfig:
    """A test set.

    Attributes:
        name: short name, used for its folder.
        title: what it is, as the report calls it.
        manifest: relative to the data folder.
        role: ``domain`` (first; the four arms), ``real``, ``general`` (what is forgotten) or
            ``silence`` (nobody speaks: what is heard is made up).
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    name: str
    title: str
    manifest: str
    role: str = "domain"


@dataclass(frozen=True, slots=True)
class RecipeConfig:
    """A whole recipe.

    Attributes:
        name: of the recipe.
        title: one line for the report.
        model: base model: a short name, hub id or folder (relative to the data folder if there).
        normaliser: domain normaliser, or ``auto`` for that of the language that is spoken.
        size: ``demo`` or ``full``.
        seed: of data, training and intervals.
        training_seed: of training alone, to see how much chance there is in an adapter.
        device: ``auto``, ``cpu`` or ``cuda``.
        test: test sets, the domain's first.
        data: manifests to train on; without them only the base model is tested.
        prepare: scripts that make the data.
        train: training settings.
        prompts: how phrases become a prompt.
        decode: decoding settings.
        bias: how arms with ``+bias`` are told their phrases.
        bias_file: a ``bias.toml`` of tune-bias that says it instead, beams too; relative to the
            recipe's folder.
        strength: part of the adapter's change that is applied, 0 to 1; else what training chose.
        arms: arms to decode, of those that apply.
        data_dir: where the manifests lie, relative to the recipe's folder, for recipes that carry
            their data; else ``data/<size>`` below the current folder.
        folder: where the recipe lies.
    """

    name: str
    title: str
    model: str
    test: tuple[TestConfig, ...]
    data: DataConfig | None = None
    prepare: tuple[PrepareConfig, ...] = ()
    normaliser: str = BY_LANGUAGE
    size: str = "demo"
    seed: int = 1
    training_seed: int | None = None
    device: str = "auto"
    train: TrainSettings = field(default_factory=TrainSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    bias: BiasSettings = field(default_factory=BiasSettings)
    bias_file: str | None = None
    strength: float | None = None
    arms: tuple[str, ...] = ARMS
    data_dir: str | None = None
    folder: Path = Path()

    @property
    def adapter_seed(self) -> int:
        """The seed of training."""
        return self.seed if self.training_seed is None else self.training_seed


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> RecipeConfig:
    """Read a recipe file.

    Args:
        path: the ``recipe.toml``.
        overrides: ``key=value`` strings; dots reach into tables, values are TOML or plain text.

    Raises:
        UsageError: one message naming every unknown key, missing key and value of a wrong type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a readable recipe: {error}") from None
    for override in overrides:
        apply_override(table, override)
    problems: list[str] = []
    config = build(RecipeConfig, table, "", problems, computed={"folder": path.resolve().parent})
    if config is not None:
        problems += check_values(config)
    if config is None or problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return config


def check_values(config: RecipeConfig) -> list[str]:
    """Return what is wrong with values that have the right type."""
    problems = [
        f"test.{test.name}.role: {test.role!r} is unknown (known: {', '.join(ROLES)})"
        for test in config.test
        if test.role not in ROLES
    ]
    problems += [
        f"arms: {arm!r} is unknown (known: {', '.join(ARMS)})"
        for arm in config.arms
        if arm not in ARMS
    ]
    if config.size not in SIZES:
        problems.append(f"size: {config.size!r} is unknown (known: {', '.join(SIZES)})")
    if config.normaliser not in ASKED_FOR:
        known = ", ".join(ASKED_FOR)
        problems.append(f"normaliser: {config.normaliser!r} is unknown (known: {known})")
    if not config.test:
        problems.append("test: at least one test set is needed")
    problems += [
        f"{name}: {value} is not between 0 and {MAX_SEED}"
        for name, value in (("seed", config.seed), ("training_seed", config.training_seed))
        if value is not None and not 0 <= value <= MAX_SEED
    ]
    problems += [
        f"{table}.name: {name!r} names a folder; use letters, digits, '-' and '_' only"
        for table, rows in (("test", config.test), ("prepare", config.prepare))
        for name in (row.name for row in rows)
        if not FOLDER_NAME.fullmatch(name)
    ]
    if config.strength is not None:
        problems += strength_problems(config.strength, config.train)
    names = [test.name for test in config.test]
    if len(set(names)) < len(names):
        problems.append(f"test: names are not unique: {', '.join(names)}")
    return problems


def strength_problems(strength: float, train: TrainSettings) -> list[str]:
    """Return why the change that training makes could not be applied in this part."""
    if not 0 <= strength <= 1:
        return [f"strength: {strength} is not between 0 (the base model) and 1 (all of the change)"]
    if strength == 1 or train.has_strengths:
        return []
    made = "all weights" if train.method == "full" else f"a LoRA of variant {train.lora.variant}"
    return [f"strength: {strength}: training changes {made}, which applies whole; use 1"]


def apply_override(table: dict[str, Any], override: str) -> None:
    """Set one dotted key of a table from ``key=value``.

    Raises:
        UsageError: no ``=`` in it, or the key leads through something that is no table.
    """
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {override!r}: write key=value, such as train.epochs=4")
    *path, last = key.strip().split(".")
    for name in path:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {override!r}: {name} is no table")
    try:
        table[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = text


def build(
    kind: type[Section],
    table: Any,
    where: str,
    problems: list[str],
    computed: Mapping[str, Any] | None = None,
) -> Section | None:
    """Build a settings dataclass from a TOML table; None, and lines in ``problems``, if it fails.

    Args:
        kind: a dataclass whose fields are the allowed keys.
        table: what TOML gave.
        where: dotted place of the table in the file, for messages.
        problems: gets one line for each thing that is wrong.
        computed: fields that the file may not set, with their values.
    """
    if not isinstance(table, dict):
        problems.append(f"{where}: should be a table")
        return None
    computed = dict(computed or {})
    hints = typing.get_type_hints(kind)
    allowed = {f.name: f for f in dataclasses.fields(kind) if f.name not in computed}  # type: ignore[arg-type]
    before = len(problems)
    values = dict(computed)
    for key, value in table.items():
        place = f"{where}.{key}" if where else key
        if key not in allowed:
            problems.append(f"{place}: unknown key (known: {', '.join(sorted(allowed))})")
        else:
            values[key] = convert(hints[key], value, place, problems)
    for name, spec in allowed.items():
        required = (
            spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        )
        if required and name not in table:
            problems.append(f"{where}.{name}: missing" if where else f"{name}: missing")
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except UsageError as error:
        problems.append(f"{where}: {error}" if where else str(error))
        return None


def convert(hint: Any, value: Any, place: str, problems: list[str]) -> Any:
    """Convert one TOML value to the type a field asks for; a line in ``problems`` if it cannot."""
    if isinstance(hint, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, place, problems)
    if typing.get_origin(hint) is tuple:
        return convert_list(typing.get_args(hint)[0], value, place, problems)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        problems.append(f"{place}: {value!r} should be of type {hint.__name__}")
    return value


def convert_list(hint: Any, value: Any, place: str, problems: list[str]) -> tuple[Any, ...]:
    """Convert a TOML array, item by item."""
    if not isinstance(value, list):
        problems.append(f"{place}: should be a list")
        return ()
    return tuple(convert(hint, v, f"{place}[{i}]", problems) for i, v in enumerate(value))
