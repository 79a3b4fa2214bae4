"""``bias.toml``: how context is told, chosen on dev, with every trial that led there.

Floor 2. `asr-adapt tune-bias` writes it after each trial, so that it can go on where it was
stopped; evaluation reads its ``[bias]`` table. Unknown keys and nonsense are refused, all at once.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr_adapt.config import build
from asr_adapt.errors import UsageError
from asr_adapt.files import write_whole
from asr_adapt.settings import BiasSettings


@dataclass(frozen=True, slots=True)
class BiasChoice:
    """One way to tell the recogniser what is known, and to search for the text.

    Attributes:
        bias: mode, strategy, bonus and so on.
        beam_size: 1 for greedy search.
    """

    bias: BiasSettings = field(default_factory=BiasSettings)
    beam_size: int = 1

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise UsageError(f"beam_size {self.beam_size}: need 1 or more")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one choice came to on dev.

    Attributes:
        wer: word error rate, a fraction.
        decode_s: seconds of decoding dev, a first pass included, the encoder not.
        unbiased_wer: errors on words outside the phrases known, per such word; None without any.
        biased_wer: errors on the phrases, per word of theirs; None if none was said.
        leak_rate: phrases heard where nothing like them was said, per utterance.
        phrases_told: phrases told in one way or the other, a mean over utterances.
        phrases_dropped: phrases that did not fit into the prompts, likewise.
    """

    wer: float
    decode_s: float
    unbiased_wer: float | None = None
    biased_wer: float | None = None
    leak_rate: float = 0.0
    phrases_told: float = 0.0
    phrases_dropped: float = 0.0


@dataclass(frozen=True, slots=True)
class Untold:
    """What telling nothing came to: what trials of as many beams are held against."""

    beam_size: int
    measured: Measured


@dataclass(frozen=True, slots=True)
class Trial:
    """A choice, what it came to, and whether it harms other words within the bounds."""

    choice: BiasChoice
    measured: Measured
    allowed: bool


@dataclass(frozen=True, slots=True)
class TuningRecord:
    """What was tuned on what; the same again when tuning is resumed.

    Attributes:
        model: name of the base model.
        model_sha256: of its weights.
        adapter_sha256: of the adapter's weights; "" without one.
        strength: part of the adapter that was applied; 0 without one.
        dev: the data, as it was named.
        dev_sha256: of the utterances decoded.
        utterances: how many they are.
        bias_list: the shared list with its checksum; "" without one.
        examples: transcripts that ``few-shot`` draws on, with their checksum; "" without.
        normaliser: form in which words were compared.
        bound: how much the unbiased WER may rise above that of telling nothing, a fraction.
        prompt_template: of prompts.
        prompt_budget_tokens: of prompts.
        seed: by which dev was drawn.
        dev_audio: marks of the sound of those utterances (`asr_adapt.splits.audio_marks`), by
            which scoring on the same speech is refused; none in files made before.
    """

    model: str
    model_sha256: str
    adapter_sha256: str
    strength: float
    dev: str
    dev_sha256: str
    utterances: int
    bias_list: str
    examples: str
    normaliser: str
    bound: float
    prompt_template: str
    prompt_budget_tokens: int
    seed: int
    dev_audio: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BiasFile:
    """A whole ``bias.toml``.

    Attributes:
        bias: what to use, as in a recipe.
        beam_size: how many beams it was chosen with.
        tuned: where it comes from; None in a file written by hand.
        untold: what telling nothing came to, by beam size, in the order it was measured.
        trial: every trial, in order.
        finished: whether the search came to its end.
        command: how it was made; empty in a file written by hand.
    """

    bias: BiasSettings = field(default_factory=BiasSettings)
    beam_size: int = 1
    tuned: TuningRecord | None = None
    untold: tuple[Untold, ...] = ()
    trial: tuple[Trial, ...] = ()
    finished: bool = True
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.choice  # refuses what cannot be searched with

    @property
    def choice(self) -> BiasChoice:
        """What to use."""
        return BiasChoice(self.bias, self.beam_size)

    @property
    def tuned_on(self) -> tuple[str, ...]:
        """Marks of the speech that chose it; none in a file written by hand."""
        return self.tuned.dev_audio if self.tuned else ()

    def untold_with(self, beam_size: int) -> Measured | None:
        """Return what telling nothing came to with so many beams; None if that was not measured."""
        found = (each.measured for each in self.untold if each.beam_size == beam_size)
        return next(found, None)


def read_bias_file(path: Path) -> BiasFile:
    """Read a ``bias.toml``, written by ``tune-bias`` or by hand.

    Raises:
        UsageError: one line naming the file and all that is wrong in it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not readable as TOML: {error}") from None
    problems: list[str] = []
    found = build(BiasFile, table, "", problems)
    if found is None or problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return found


def write_bias_file(path: Path, content: BiasFile) -> None:
    """Write a ``bias.toml`` that a reader finds whole."""
    lines = [f"finished = {_value(content.finished)}", f"beam_size = {content.beam_size}"]
    lines += [f"command = {_value(content.command)}"] if content.command else []
    lines += ["", *_table("bias", asdict(content.bias))]
    lines += ["", *_table("tuned", asdict(content.tuned))] if content.tuned else []
    for each in content.untold:
        lines += ["", "[[untold]]", f"beam_size = {each.beam_size}"]
        lines += _table("untold.measured", asdict(each.measured))
    for trial in content.trial:
        lines += ["", "[[trial]]", f"allowed = {_value(trial.allowed)}"]
        lines += _table("trial.choice", asdict(trial.choice))
        lines += _table("trial.measured", asdict(trial.measured))
    write_whole(path, "\n".join(lines) + "\n")


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    """Write a table and those within; TOML has no null, a key without a value is left out."""
    plain = {k: v for k, v in values.items() if v is not None and not isinstance(v, dict)}
    lines = [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in plain.items())]
    for key, value in values.items():
        lines += _table(f"{name}.{key}", value) if isinstance(value, dict) else []
    return lines


def _value(value: bool | int | float | str | tuple[str, ...]) -> str:
    # JSON's strings, lists and numbers are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
