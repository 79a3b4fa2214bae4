"""How much of Whisper's 30 s window is computed for an utterance.

Whisper always computes 1500 encoder frames. An adapter trained on a shorter window can decode on
it, 3 to 8 times cheaper; untuned weights cannot (they hallucinate, see futo-org/whisper-acft).
Windows grow in steps, so that the window of an utterance depends on its own length alone and never
on what shares its batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from asr_adapt.errors import UsageError

SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_FRAME = (
    320  # 20 ms: a mel hop of 160 samples, halved by the encoder's second convolution
)
FRAMES_PER_S = SAMPLE_RATE_HZ // SAMPLES_PER_FRAME
MAX_FRAMES = 1500
"""Whisper's window of 30 s (Radford et al. 2022, https://arxiv.org/abs/2212.04356)."""
MAX_SPEECH_S = MAX_FRAMES / FRAMES_PER_S
STEP_FRAMES = 50
"""Windows are whole seconds, so that utterances of about one length share a batch."""


@dataclass(frozen=True, slots=True)
class Window:
    """The encoder window of one set of weights.

    Attributes:
        slack_frames: silence after the speech, in encoder frames of 20 ms; None for the full
            window of 30 s that untuned weights need.
        least_frames: no window is shorter; a second of clear speech in a window of two is read
            worse than in one of eight.
    """

    slack_frames: int | None = None
    least_frames: int = 0

    def __post_init__(self) -> None:
        if self.slack_frames is not None and not 0 <= self.slack_frames < MAX_FRAMES:
            raise UsageError(f"window slack {self.slack_frames}: need 0 to {MAX_FRAMES - 1} frames")
        if not 0 <= self.least_frames <= MAX_FRAMES:
            raise UsageError(f"least window {self.least_frames}: need 0 to {MAX_FRAMES} frames")

    def frames(self, duration_s: float) -> int:
        """Return the encoder frames computed for ``duration_s`` seconds of speech."""
        if self.slack_frames is None:
            return MAX_FRAMES
        needed = max(math.ceil(duration_s * FRAMES_PER_S) + self.slack_frames, self.least_frames)
        return min(MAX_FRAMES, STEP_FRAMES * math.ceil(needed / STEP_FRAMES))


FULL_WINDOW = Window(None)


def length_bucket(duration_s: float) -> int:
    """Return the whole seconds ``duration_s`` needs: utterances of one bucket share batches."""
    return max(1, math.ceil(duration_s))
