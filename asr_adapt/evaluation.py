"""Evaluation: test sets, a base model and perhaps an adapter to a run directory.

::

    RUN/run.json                        what was run: model, adapter, settings, environment, command
    RUN/sets/<name>/manifest.jsonl      the utterances
    RUN/sets/<name>/phrases.txt         the list told about all of them, if there is one
    RUN/sets/<name>/hypotheses.jsonl    raw text of every arm, appended while decoding
    RUN/sets/<name>/pieces.jsonl        raw text of pieces, where long speech is decoded in such

Scoring and the report read these files; nothing here looks at a reference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

from asr_adapt.adapter import AdapterCard, at_strength, check_base, read_card, weight_file
from asr_adapt.audio import apply_long_policy
from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.context.telling import Teller, tell_all
from asr_adapt.decode import ArmPlan, decode_arms, phrase_boost
from asr_adapt.environment import measured_with
from asr_adapt.errors import UsageError
from asr_adapt.files import write_json, write_whole
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses, refuse_leftovers
from asr_adapt.manifest import read_manifest, write_manifest
from asr_adapt.model import (
    SpeechModel,
    check_languages,
    computes_bfloat16,
    load_base,
    pick_device,
    with_adapter,
)
from asr_adapt.records import ARMS, BiasList, Hypothesis, Utterance
from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.token_cap import in_words
from asr_adapt.words.text import get_normaliser

TEXTS, PIECES = "hypotheses.jsonl", "pieces.jsonl"

Progress = Callable[[int, int], None]
ProgressFor = Callable[[str], Progress]
"""Starts a progress line with a title and returns what is called with (done, total)."""


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


def evaluate(
    job: EvaluationJob,
    run_dir: Path,
    *,
    resume: bool,
    stop: StopRequest,
    progress_for: ProgressFor,
) -> None:
    """Decode every set with every arm that applies, into ``run_dir``.

    Raises:
        UsageError: ``run_dir`` holds another run, or this one and ``resume`` is not set; or no arm
            asked for applies to one of the sets.
        Stopped: a signal came; ``resume`` goes on.
    """
    if job.bias.strategy == "few-shot" and job.examples is None:
        raise UsageError("bias strategy few-shot: needs transcripts to show; give --examples")
    check_arms(job)
    card = at_strength(read_card(job.adapter), job.strength) if job.adapter else None
    prompts = job.prompts
    if card and job.adapter:
        check_base(job.adapter, card, job.weights.name, job.weights.sha256)
        prompts = PromptSettings(card.prompt_template, card.prompt_budget_tokens)
    check_languages(job.weights, [u for test in job.sets for u in test.utterances])
    device = pick_device(job.device)
    open_run(run_dir, job, card, prompts, resume)
    model = load_base(job.weights, device)
    decode_weights(model, ("base", "base+bias"), job, prompts, run_dir, stop, progress_for)
    if job.adapter:
        model = with_adapter(model, job.adapter, job.strength)
        decode_weights(model, ("lora", "lora+bias"), job, prompts, run_dir, stop, progress_for)


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


def decode_weights(
    model: SpeechModel,
    arms: Sequence[str],
    job: EvaluationJob,
    prompts: PromptSettings,
    run_dir: Path,
    stop: StopRequest,
    progress_for: ProgressFor,
) -> None:
    """Decode all sets with the arms of one set of weights."""
    for test in job.sets:
        names = arms_for(test, job, arms)
        if not names:
            continue
        folder = set_folder(run_dir, test.name)
        log = HypothesisLog(folder / TEXTS)
        pieces, _ = apply_long_policy(list(test.utterances), "split")
        whole = len(pieces) == len(test.utterances)
        piece_log = log if whole else HypothesisLog(folder / PIECES)
        plans = [arm_plan(name, test, pieces, model, job, prompts) for name in names]
        progress = progress_for(f"{test.name}: {', '.join(names)}")
        decode_arms(model, pieces, plans, job.decode, piece_log, stop, progress)
        if not whole:
            # Of a run that was stopped, other arms may have decoded some of the pieces only.
            rows = [row for row in read_hypotheses(piece_log.path) if row.arm in names]
            log.append(join_pieces(pieces, rows))


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


def arm_plan(
    arm: str,
    test: TestSet,
    pieces: Sequence[Utterance],
    model: SpeechModel,
    job: EvaluationJob,
    prompts: PromptSettings,
) -> ArmPlan:
    """Return the plan of an arm, with its prompts and boosted phrases if it is told anything."""
    if not arm.endswith("+bias"):
        return ArmPlan(arm)
    listed = told_list(test, job.bias_list)
    shared = listed.phrases if listed else ()
    normaliser = get_normaliser(job.normaliser)
    transcripts = job.examples.phrases if job.examples else ()
    teller = Teller(shared, job.bias, prompts, model.tokenize, normaliser, transcripts)

    def plan(utterances: Sequence[Utterance], heard: Sequence[str]) -> ArmPlan:
        ids = [u.utterance_id for u in utterances]
        told = tell_all(utterances, teller, dict(zip(ids, heard, strict=True)))
        common = teller.shared if job.bias.boosts_all else ()
        boosted = {uid: each.boosted for uid, each in told.items()}
        return ArmPlan(
            arm,
            prompts={uid: each.prompt for uid, each in told.items()},
            boost=phrase_boost(model, common, boosted, job.bias.boost),
            believes=lambda uid, first, text: teller.believes(told[uid], first, text),
        )

    if teller.listens:
        return ArmPlan(arm, listen=plan)
    return plan(pieces, [""] * len(pieces))


def join_pieces(pieces: Sequence[Utterance], rows: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Join the hypotheses of an utterance's pieces, in order; one failed piece fails it.

    Args:
        pieces: what was decoded; a piece of a long utterance is tagged ``piece_of``.
        rows: their hypotheses, of arms that decoded them all.
    """
    found = {(row.utterance_id, row.arm): row for row in rows}
    parts: dict[tuple[str, str], list[Hypothesis]] = {}
    for arm in dict.fromkeys(row.arm for row in rows):
        for u in pieces:
            whole = u.tags.get("piece_of", u.utterance_id)
            parts.setdefault((whole, arm), []).append(found[u.utterance_id, arm])
    return [joined(uid, arm, group) for (uid, arm), group in parts.items()]


def joined(utterance_id: str, arm: str, parts: Sequence[Hypothesis]) -> Hypothesis:
    """Join the hypotheses of one utterance and arm."""
    return Hypothesis(
        utterance_id=utterance_id,
        arm=arm,
        text=" ".join(p.text for p in parts if p.text),
        prompt=parts[0].prompt,
        dropped_phrases=parts[0].dropped_phrases,
        avg_logprob=mean_logprob(parts),
        decode_s=sum(p.decode_s for p in parts),
        flags=tuple(dict.fromkeys(flag for p in parts for flag in p.flags)),
        error=next((p.error for p in parts if p.error), None),
        dropped_more=parts[0].dropped_more,
    )


def mean_logprob(parts: Sequence[Hypothesis]) -> float | None:
    """Return the mean log-probability of all pieces together; None if nothing was decoded.

    How many tokens each has is not recorded. In one language they are about as many as its text is
    long, and one more for its end, without which a piece where nobody speaks would not count.
    """
    known = [(p.avg_logprob, len(p.text) + 1) for p in parts if p.avg_logprob is not None]
    weights = sum(weight for _, weight in known)
    return sum(mean * weight for mean, weight in known) / weights if known else None


def set_folder(run_dir: Path, name: str) -> Path:
    """Return the folder of a test set in a run directory."""
    return run_dir / "sets" / name


def open_run(
    run_dir: Path,
    job: EvaluationJob,
    card: AdapterCard | None,
    prompts: PromptSettings,
    resume: bool,
) -> None:
    """Create the run directory, or check that it is this run's.

    Raises:
        UsageError: it is another run's, this one and not to be resumed, or nobody knows whose.
    """
    record = run_record(job, card, prompts)
    path = run_dir / "run.json"
    if path.exists():
        if not resume:
            raise UsageError(f"{run_dir}: holds a run already; use --resume or another --out")
        check_same_run(run_dir, json.loads(path.read_text(encoding="utf-8")), record)
        check_same_rows(run_dir, job.sets)
        return
    folders = [set_folder(run_dir, test.name) for test in job.sets]
    refuse_leftovers(path, [folder / name for folder in folders for name in (TEXTS, PIECES)])
    for test in job.sets:
        folder = set_folder(run_dir, test.name)
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder / "manifest.jsonl", test.utterances)
        if listed := told_list(test, job.bias_list):
            lines = [f"{' '.join(phrase.split())}\n" for phrase in listed.phrases]
            write_whole(folder / "phrases.txt", "".join(lines))
    write_json(path, record)


def check_same_run(run_dir: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise UsageError unless both records describe the same work."""
    told = {"bias": asdict(BiasSettings()), **before.get("decode", {})}  # as before boosting was
    before = {**before, "decode": told}
    for key in ("model", "adapter", "decode", "normaliser", "seed", "sets", "excluded"):
        there, asked = before.get(key), json.loads(json.dumps(now[key]))
        if there != asked:
            raise UsageError(
                f"{run_dir}: the run there has another '{key}'{_where_they_differ(there, asked)}; "
                "resume with the same command, or use another --out"
            )


def _where_they_differ(there: Any, asked: Any) -> str:
    """Say what of two records differs, where that takes few words."""
    if isinstance(there, dict) and isinstance(asked, dict):
        pairs = {key: (there.get(key), asked.get(key)) for key in {**there, **asked}}
        told = (f"{key} {a!r}, not {b!r}" for key, (a, b) in pairs.items() if a != b)
        return f": {shorten('; '.join(told), 200, placeholder=' …')}"
    names = [
        ", ".join(each["name"] for each in some if isinstance(each, dict) and "name" in each)
        for some in (there, asked)
        if isinstance(some, list)
    ]
    return f": {names[0]}, not {names[1]}" if len(set(names)) == 2 else ""


def check_same_rows(run_dir: Path, sets: Sequence[TestSet]) -> None:
    """Raise UsageError unless the run's manifests hold the utterances of the sets."""
    for test in sets:
        path = set_folder(run_dir, test.name) / "manifest.jsonl"
        if not path.exists():
            raise UsageError(
                f"{run_dir}: has run.json, but no file {path.relative_to(run_dir)}; restore it, or "
                "delete run.json and sets/ to decode again"
            )
        before = read_manifest(path, allow_outside=True)
        # Where files lie may have changed; what is in them and what is known about them may not.
        then, now = (
            [replace(u, audio_path=Path(u.audio_path.name)) for u in rows]
            for rows in (before, test.utterances)
        )
        if then != now:
            raise UsageError(
                f"{path}: the data has changed since this run began; undo that, or use "
                "another --out"
            )


def run_record(
    job: EvaluationJob, card: AdapterCard | None, prompts: PromptSettings
) -> dict[str, Any]:
    """Return everything about a run that a reader of its numbers needs, as JSON."""
    device = pick_device(job.device)
    measured = measured_with(str(device))
    measured["environment"]["precision"] = "bfloat16" if computes_bfloat16(device) else "float32"
    window = "full (30 s)"
    if card and card.window_slack_frames is not None:
        window += (
            f"; with the adapter, speech and {card.window_slack_frames * 20} ms of silence, "
            f"at least {card.window_least_frames * 20} ms"
        )
    return {
        "kind": "asr-adapt run",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(job.command),
        "seed": job.seed,
        **measured,
        "model": {
            "name": job.weights.name,
            "source": job.weights.source,
            "sha256": job.weights.sha256,
        },
        "adapter": adapter_record(job.adapter, card) if job.adapter and card else None,
        "decode": {
            **asdict(job.decode),
            "window": window,
            "token_cap": in_words({u.language for each in job.sets for u in each.utterances}),
            "bias": asdict(job.bias),
            "prompt_template": prompts.template,
            "prompt_budget_tokens": prompts.budget_tokens,
            "bias_list": list_record(job.bias_list) if job.bias_list else None,
            **({"examples": list_record(job.examples)} if job.examples else {}),
        },
        "normaliser": job.normaliser,
        "training_curve": [dict(row) for row in card.training_curve] if card else [],
        "leak_check": job.leak_check,
        "excluded": list(job.excluded),
        "sets": [set_record(test, job.bias_list) for test in job.sets],
    }


def set_record(test: TestSet, bias_list: BiasList | None) -> dict[str, Any]:
    """Return where a set lies in the run directory."""
    folder = f"sets/{test.name}"
    listed = told_list(test, bias_list) is not None
    return {
        "name": test.name,
        "role": test.role,
        "title": test.title,
        "manifest": f"{folder}/manifest.jsonl",
        "hypotheses": f"{folder}/{TEXTS}",
        **({"phrases": f"{folder}/phrases.txt"} if listed else {}),
        "utterances": len(test.utterances),
    }


def list_record(bias_list: BiasList) -> str:
    """Name a bias list with a checksum of its phrases: the file may be edited later."""
    digest = hashlib.sha256("\n".join(bias_list.phrases).encode()).hexdigest()[:12]
    return f"{bias_list.source}: {len(bias_list.phrases)} phrases, sha256 {digest}"


def adapter_record(folder: Path, card: AdapterCard) -> dict[str, Any]:
    """Return what a report says about an adapter."""
    return {
        "path": str(folder),
        "sha256": card.weights_sha256,
        "method": card.method,
        "seed": card.seed,
        "strength": card.strength,
        "strength_wer": [dict(row) for row in card.strength_wer],
        "minutes_of_labels": card.label_minutes,
        "training_s": card.training_s,
        "trainable_parameters": card.trainable_parameters,
        "steps": card.steps,
        "chosen_step": card.chosen_step,
        "dev_wer": [dict(row) for row in card.dev_wer],
        **({"averaged": dict(card.averaged)} if card.averaged else {}),
        "size_bytes": weight_file(folder).stat().st_size,
        "settings": dict(card.settings),
        "command": list(card.command),
    }
