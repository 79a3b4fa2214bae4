"""What is to be evaluated: test sets, weights and arms, and which arms apply to which set.

Built by the command line, recipes and Python callers, read by `asr_adapt.evaluation`, which decodes
it, and `asr_adapt.run_folder`, which writes down what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.errors import UsageError
from asr_adapt.records import ARMS, BiasList, Utterance
from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings


@dataclass(frozen=True, slots=True)
class TestSet:
    """Utterances to decode, under one name.

    Attributes:
        name: folder name.
        role: ``domain``, ``real``, ``general`` or ``silence``.
        title: what the report calls it.
        utterances: checked utterances.
    """

    __test__ = False

    name: str
    role: str
    title: str
    utterances: Sequence[Utterance]


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """What to decode and how; a run is resumed with the same one.

    Attributes:
        sets: test sets, the most important first.
        weights: the base model.
        adapter: an adapter folder, or None.
        strength: part of the adapter's change that is applied; None for what training chose.
        arms: the arms asked for; those that cannot apply are left out.
        bias_list: phrases told about every utterance of domain sets, besides its own context.
        prompts: how phrases become a prompt where no adapter says so.
        decode: decoding settings.
        normaliser: domain normaliser the run is scored with.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of the intervals.
        bias: how arms with ``+bias`` are told their phrases.
        examples: transcripts of training data, which the prompt strategy ``few-shot`` shows.
        command: how the run was started.
        leak_check: what the leak check said.
        excluded: rows that could not be used, each with ``id`` and ``reason``.
    """

    sets: Sequence[TestSet]
    weights: ResolvedWeights
    adapter: Path | None
    bias_list: BiasList | None
    prompts: PromptSettings
    decode: DecodeSettings
    normaliser: str
    device: str
    seed: int
    strength: float | None = None
    arms: Sequence[str] = ARMS
    bias: BiasSettings = field(default_factory=BiasSettings)
    examples: BiasList | None = None
    command: Sequence[str] = ()
    leak_check: str = ""
    excluded: Sequence[dict[str, str]] = ()


def check_arms(job: EvaluationJob) -> None:
    """Refuse arms that are none, and a set of which nothing would be decoded, before work begins.

    Raises:
        UsageError: what the arms asked for need is not there.
    """
    for arm in job.arms:
        if arm not in ARMS:
            raise UsageError(f"--arms: '{arm}' is unknown (known: {', '.join(ARMS)})")
    if not job.arms:
        raise UsageError(f"--arms: names none; known are {', '.join(ARMS)}")
    for test in job.sets:
        lacking = {arm: lacks(arm, test, job) for arm in job.arms}
        if all(lacking.values()):
            needs = (f"--arms {arm}: needs {' and '.join(what)}" for arm, what in lacking.items())
            raise UsageError(f"{'; '.join(needs)}; nothing else is decoded of {test.title}")


def lacks(arm: str, test: TestSet, job: EvaluationJob) -> list[str]:
    """Return what an arm needs to be decoded on this set and does not have."""
    lacking = []
    if arm.startswith("lora") and not job.adapter:
        lacking.append("--adapter")
    if arm.endswith("+bias") and not is_told(test, job):
        lacking.append("context in the data" if told_nothing(test) else "context or --bias")
    return lacking


def arms_for(test: TestSet, job: EvaluationJob, arms: Sequence[str]) -> list[str]:
    """Return which of ``arms`` are asked for and have something to tell on this set."""
    told = is_told(test, job)
    return [a for a in arms if a in job.arms and (told or not a.endswith("+bias"))]


def is_told(test: TestSet, job: EvaluationJob) -> bool:
    """Say whether there is anything to tell of a set."""
    return any(u.context for u in test.utterances) or bool(told_list(test, job.bias_list))


def told_list(test: TestSet, bias_list: BiasList | None) -> BiasList | None:
    """Return the shared list for a set; general speech and silence are not told of the domain."""
    return None if told_nothing(test) else bias_list


def told_nothing(test: TestSet) -> bool:
    """Say whether a set is none of the domain, of whose list it is told nothing."""
    return test.role in ("general", "silence")
