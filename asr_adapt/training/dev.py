"""What trained weights are measured on, never trained with: the domain, and what must not be lost.

Clips in which nobody speaks are a set of their own: made-up words are no share of anybody's words,
and a few such clips would say little among many others. Where the data hold none, some are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.records import Utterance
from asr_adapt.splits import limited
from asr_adapt.training.quiet import quiet_clips
from asr_adapt.training.received import as_received
from asr_adapt.training.train_job import TrainJob
from asr_adapt.words.text import get_normaliser

MADE_CLIPS = 40
"""Without speech, 1 to 10 s each: enough that one clip with a few words does not decide."""


@dataclass(frozen=True, slots=True)
class DevSets:
    """Dev speech by what it tells; only the domain's is always there.

    Attributes:
        domain: labelled speech of the trade.
        general: other speech with the base model's text.
        received: the same over training's channel.
        silence: nobody speaks.
    """

    domain: Sequence[Utterance]
    general: Sequence[Utterance] = ()
    received: Sequence[Utterance] = ()
    silence: Sequence[Utterance] = ()


def dev_sets(job: TrainJob, general: Sequence[Utterance], work: Path) -> DevSets:
    """Lay out what a training job is measured on.

    Args:
        job: its ``dev`` may hold clips with the reference ``""``.
        general: held-out general speech with the base model's text.
        work: gets the audio that is made.
    """
    settings = job.settings
    spoken = [u for u in job.dev if u.reference != ""]
    silent = [u for u in job.dev if u.reference == ""]
    return DevSets(
        domain=limited(spoken, settings.dev_limit, job.seed),
        general=general,
        received=as_received(general, settings.augment, work / "received", job.seed),
        silence=limited(silent, settings.dev_limit, job.seed) or _made_silence(job, work),
    )


def _made_silence(job: TrainJob, work: Path) -> list[Utterance]:
    if not job.settings.silence_share:
        return []
    folder = work / "quiet-dev"
    clips = quiet_clips(job.dev, MADE_CLIPS, folder, (job.seed, 8))
    return as_received(clips, job.settings.augment, folder, job.seed) or clips


def count_words(spoken: Sequence[Utterance], normaliser: str) -> int:
    """Return how many words the references have."""
    normalise = get_normaliser(normaliser).function
    return sum(len(normalise(clip.reference or "").split()) for clip in spoken)


def words_per_second(spoken: Sequence[Utterance], normaliser: str) -> float:
    """Return the pace of labelled speech: reference words for each second."""
    return count_words(spoken, normaliser) / sum(clip.duration_s for clip in spoken)
