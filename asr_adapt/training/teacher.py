"""General speech without labels: its target is what the untouched model makes of it.

Clips are drawn for two uses: training mixes some in (`asr_adapt.training.dataset`), selection
measures on others what an adapter forgets. What the base model makes of them are their lessons
(`asr_adapt.training.lessons`). A clip on which it loops or hears nothing teaches nothing and is
left out, with a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from asr_adapt.model import SpeechModel
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import ReplaySettings
from asr_adapt.splits import hold_out, shared_blocks
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import REPLAY, SoftText
from asr_adapt.training.lessons import Lesson, keyed, lessons

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GeneralSpeech:
    """General speech with the base model's text as reference.

    Attributes:
        replay: to mix into training.
        dev: to measure what is forgotten; none of it is in ``replay``.
        soft: what else the base model might have written of each clip in ``replay``.
    """

    replay: Sequence[Utterance] = ()
    dev: Sequence[Utterance] = ()
    soft: Sequence[SoftText | None] = ()


def teach(
    base: SpeechModel,
    general: Sequence[Utterance],
    labelled: Sequence[Utterance],
    settings: ReplaySettings,
    seed: int,
    *,
    stop: StopRequest,
    notice: Callable[[str], None],
    progress: Progress | None = None,
) -> GeneralSpeech:
    """Draw general speech and have the untouched base model write its text.

    Args:
        base: untuned weights with the full window.
        general: clips of at most 30 s; references, if there are any, are not looked at.
        labelled: what is trained on beside it: its speakers are not those to measure with.
        settings: how many clips.
        seed: of the draw.
        stop: a signal ends the work; what is written by then is kept.
        notice: told how many clips were left out, and where voices are in both uses.
        progress: told how many clips are done, of how many.

    Raises:
        Stopped: a signal came.
    """
    drawn = draw(general, labelled, settings, seed)
    if not drawn.replay and not drawn.dev:
        return drawn
    if shared_blocks([*labelled, *drawn.replay], drawn.dev):
        notice(
            "general speech has too few voices that are not trained on: it is measured on voices "
            "that are, where an adapter looks better than on new ones"
        )
    clips = keyed([*drawn.replay, *drawn.dev])
    found = lessons(base, clips, stop, progress)
    replay, soft = with_lessons(clips[: len(drawn.replay)], found)
    dev, _ = with_lessons(clips[len(drawn.replay) :], found)
    taught = GeneralSpeech(replay, dev, soft)
    lost = len(drawn.replay) + len(drawn.dev) - len(taught.replay) - len(taught.dev)
    if lost:
        notice(f"{lost} clips of general speech left out: {base.name} loops or hears nothing there")
    return taught


def draw(
    general: Sequence[Utterance],
    labelled: Sequence[Utterance],
    settings: ReplaySettings,
    seed: int,
) -> GeneralSpeech:
    """Draw the clips to replay and those to measure with, of other speakers if that can be.

    Further lines of a voice that was trained on flatter an adapter: they ask for more of it than
    new voices bear.
    """
    held, rest = hold_out(general, labelled, settings.dev_clips, seed)
    replay = sorted(rest[: settings.clips])
    return GeneralSpeech([general[i] for i in replay], [general[i] for i in sorted(held)])


def usable(row: Hypothesis) -> bool:
    """Whether the base model wrote something that can be taught."""
    return bool(row.text) and row.error is None and not row.flags


def with_lessons(
    clips: Sequence[tuple[str, Utterance]], found: Mapping[str, Lesson]
) -> tuple[list[Utterance], list[SoftText | None]]:
    """Return the clips that can be taught, each with its text, and what else each might be."""
    heard = [(clip, found[key]) for key, clip in clips]
    kept = [(clip, lesson) for clip, lesson in heard if usable(lesson.row)]
    rows = [with_text(clip, lesson.row.text) for clip, lesson in kept]
    return rows, [lesson.soft for _, lesson in kept]


def with_text(clip: Utterance, text: str) -> Utterance:
    """Return the clip with a text, to be sent over channels unless it came over one already."""
    fresh = clip.tags.get("channel", "none") in ("none", "clean")
    tags = {**clip.tags, "channel": REPLAY} if fresh else clip.tags
    return replace(clip, reference=text, context=(), tags=tags)
