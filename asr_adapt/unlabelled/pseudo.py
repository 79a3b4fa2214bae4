"""Labels for speech that nobody has labelled: several decodings vote, the doubtful are left out.

Reads votes (`views`); writes ``train.jsonl`` (kept, ready for `finetune`), ``review.csv`` (every
clip, the doubtful first, for people to correct) and ``pseudo.json`` (what was done and why). No
clip vanishes: what is not kept has its reason in all three places that people look at.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from asr_adapt.corrections import Correction, replace_corrections
from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import write_json
from asr_adapt.manifest import write_manifest
from asr_adapt.records import PSEUDO_CONFIDENCE, Utterance
from asr_adapt.unlabelled.agreement import AGREEMENT_SHARE, Vote
from asr_adapt.words.text import words_said

KEPT = "kept"
REVIEW_NAME = "review.csv"
SHOWN_TEXTS = 3


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Which labels are good enough to train on.

    Attributes:
        min_confidence: least confidence of a label, 0 to 1. At 0.5, 27 of 44 clips of ship radio
            were kept with 24 % of their words wrong, of 40 % in all; at 0.7, 15 with 10 %
            (whisper-tiny.en, context known).
        best_share: keep at most this share of all clips, the most confident; 1 for all.
        fewest_words_per_s: a slower text has left words out, or invented some for silence; of 1600
            clips of the maritime recipe the slowest had 1.0.
        most_words_per_s: a faster one cannot have been said; the fastest had 5.0.
    """

    min_confidence: float = 0.5
    best_share: float = 1.0
    fewest_words_per_s: float = 0.4
    most_words_per_s: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise UsageError(f"min_confidence {self.min_confidence:g}: need 0 to 1")
        if not 0 < self.best_share <= 1:
            raise UsageError(f"best_share {self.best_share:g}: need more than 0, at most 1")
        if not 0 <= self.fewest_words_per_s < self.most_words_per_s:
            raise UsageError("fewest_words_per_s: need 0 or more, and less than most_words_per_s")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A clip with its vote and what becomes of it.

    Attributes:
        utterance: the clip.
        vote: what its decodings say.
        reason: `KEPT`, or why it is not trained on.
    """

    utterance: Utterance
    vote: Vote
    reason: str

    @property
    def kept(self) -> bool:
        """Whether the label is trained on."""
        return self.reason == KEPT


def without_text(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return the utterances that nobody has labelled.

    Raises:
        DataError: all have a text.
    """
    rows = [u for u in utterances if u.reference is None]
    if not rows:
        raise DataError(
            f"all {len(utterances)} utterances have a text; labels are made for those without"
        )
    return rows


def judge(
    utterances: Sequence[Utterance],
    votes: Sequence[Vote],
    rule: KeepRule,
    normalise: Callable[[str], str],
) -> list[Verdict]:
    """Say of each clip whether its label is kept, in their order.

    Args:
        utterances: the clips.
        votes: their votes, in the same order.
        rule: what is good enough.
        normalise: brings a text to the words that are counted.
    """
    verdicts = [
        Verdict(u, v, objection(u, v, rule, normalise) or KEPT)
        for u, v in zip(utterances, votes, strict=True)
    ]
    good = sorted((v for v in verdicts if v.kept), key=lambda v: (-v.vote.confidence, _name(v)))
    allowed = {_name(v) for v in good[: math.floor(rule.best_share * len(verdicts))]}
    cut = f"not among the best {100 * rule.best_share:g} %"
    return [replace(v, reason=cut) if v.kept and _name(v) not in allowed else v for v in verdicts]


def objection(
    utterance: Utterance, vote: Vote, rule: KeepRule, normalise: Callable[[str], str]
) -> str | None:
    """Say what speaks against a label; None if nothing does."""
    if vote.error:
        return f"sound: {vote.error}"
    if vote.flags:
        return f"flagged: {', '.join(vote.flags)}"
    words_per_s = words_said(normalise(vote.text)) / utterance.duration_s
    if words_per_s > rule.most_words_per_s:
        return f"too fast: more than {rule.most_words_per_s:g} words a second"
    if words_per_s < rule.fewest_words_per_s:
        return f"too slow: fewer than {rule.fewest_words_per_s:g} words a second"
    if vote.confidence < rule.min_confidence:
        return f"doubtful: confidence below {rule.min_confidence:g}"
    return None


def _name(verdict: Verdict) -> str:
    return verdict.utterance.utterance_id


def labelled(verdict: Verdict) -> Utterance:
    """Return the clip with its label as reference and tags that say so."""
    tags = {**verdict.utterance.tags, PSEUDO_CONFIDENCE: f"{verdict.vote.confidence:.2f}"}
    return replace(verdict.utterance, reference=verdict.vote.text, tags=tags)


def write_labels(out_dir: Path, verdicts: Sequence[Verdict]) -> None:
    """Write ``train.jsonl`` and ``review.csv``.

    Raises:
        DataError: no label was kept; the review is there all the same.
        UsageError: ``review.csv`` holds corrections.
    """
    by_doubt = sorted(verdicts, key=lambda v: (v.vote.confidence, _name(v)))
    replace_corrections(out_dir / REVIEW_NAME, [review_row(v) for v in by_doubt], out_dir)
    kept = [labelled(v) for v in verdicts if v.kept]
    if not kept:
        raise DataError(
            f"no label of {len(verdicts)} is good enough; see {out_dir / REVIEW_NAME} for why, "
            "correct some there, or lower --min-confidence"
        )
    write_manifest(out_dir / "train.jsonl", kept)


def review_row(verdict: Verdict) -> Correction:
    """Return the row in which people check a label."""
    heard = [f"{text} ({n})" for text, n in verdict.vote.heard[:SHOWN_TEXTS]]
    shown = [*heard, *[""] * (SHOWN_TEXTS - len(heard))]
    notes = {PSEUDO_CONFIDENCE: f"{verdict.vote.confidence:.3f}", "verdict": verdict.reason}
    notes |= {f"heard_{i}": text for i, text in enumerate(shown, start=1)}
    return Correction(verdict.utterance, verdict.vote.text, notes)


def pseudo_record(
    verdicts: Sequence[Verdict], rule: KeepRule, normaliser: str, command: Sequence[str]
) -> dict[str, Any]:
    """Return what was kept by which rule, as JSON."""
    kept = [v for v in verdicts if v.kept]
    return {
        "kind": "asr-adapt pseudo",
        "command": list(command),
        "rule": asdict(rule),
        "confidence": f"{AGREEMENT_SHARE:g} agreement + {1 - AGREEMENT_SHARE:g} token probability",
        "normaliser": normaliser,
        "clips": len(verdicts),
        "kept": len(kept),
        "kept_minutes": round(sum(v.utterance.duration_s for v in kept) / 60, 2),
        "minutes": round(sum(v.utterance.duration_s for v in verdicts) / 60, 2),
        "reasons": dict(Counter(v.reason.partition(":")[0] for v in verdicts).most_common()),
        "mean_confidence": _mean([v.vote.confidence for v in verdicts]),
        "mean_confidence_kept": _mean([v.vote.confidence for v in kept]),
    }


def write_record(out_dir: Path, record: dict[str, Any]) -> None:
    """Write ``pseudo.json``."""
    write_json(out_dir / "pseudo.json", record)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
