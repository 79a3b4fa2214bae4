"""Evaluation: test sets, a base model and perhaps an adapter to a run directory.

Decodes what a job (`asr_adapt.evaluation_job`) asks for into the folder of a run
(`asr_adapt.run_folder`), from where it goes on if it is stopped; nothing here looks at a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from asr_adapt.adapter import at_strength, check_base, read_card
from asr_adapt.audio import apply_long_policy
from asr_adapt.context.plans import telling_plan
from asr_adapt.context.telling import Teller
from asr_adapt.decode import ArmPlan, decode_arms
from asr_adapt.errors import UsageError
from asr_adapt.evaluation_job import EvaluationJob, TestSet, arms_for, check_arms, told_list
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses
from asr_adapt.model import (
    SpeechModel,
    check_languages,
    load_base,
    pick_device,
    with_adapter,
)
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.run_folder import PIECES, TEXTS, open_run, set_folder
from asr_adapt.settings import PromptSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.words.text import get_normaliser

Progress = Callable[[int, int], None]
ProgressFor = Callable[[str], Progress]
"""Starts a progress line with a title and returns what is called with (done, total)."""


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


def arm_plan(
    arm: str,
    test: TestSet,
    pieces: Sequence[Utterance],
    model: SpeechModel,
    job: EvaluationJob,
    prompts: PromptSettings,
) -> ArmPlan:
    """Return the plan of an arm, told what there is to tell of a set if it is told anything."""
    if not arm.endswith("+bias"):
        return ArmPlan(arm)
    listed = told_list(test, job.bias_list)
    shared = listed.phrases if listed else ()
    normaliser = get_normaliser(job.normaliser)
    transcripts = job.examples.phrases if job.examples else ()
    teller = Teller(shared, job.bias, prompts, model.tokenize, normaliser, transcripts)
    return telling_plan(arm, pieces, model, teller)


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
