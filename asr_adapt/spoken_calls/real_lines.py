"""Lines of real voices for the radio: drawn from two voice-acted games.

Fetches Debian packages into the cache, where the lines stay as they were recorded; `prepare.py`
copies them or sends them over the radio. The first game is split by speaker: those of the test set
are in no other set. The second has other actors, and is trained on only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr_adapt.records import Utterance
from asr_adapt.sources import fotaq, sky
from asr_adapt.sources.debian import fetch_debian

REAL_S = (2.0, 8.0)
GENERAL_S = (0.8, 12.0)
"""General speech has short lines too: what an adapter never hears in training, such as a single
word, it unlearns first."""
REAL_WORDS_PER_S = (1.0, 5.0)
SPEAKER_SHARE = 0.3
"""The most that one real speaker may have of a set: half of all lines are the hero's."""


def read_real_lines(
    cache_dir: Path,
    unheard: Iterable[str],
    counts: Mapping[str, int],
    seed: int,
    progress: Callable[[int, int], None],
) -> dict[str, list[Utterance]]:
    """Draw lines of real voices: two sets to train on, and of other speakers for dev and test.

    The lines of ``general_dev`` belong to the general speech, but to no voice of training, so that
    they can measure what carries over to others.

    Args:
        cache_dir: gets the package and the speech in it.
        unheard: names that no line to train or choose on may say.
        counts: how many at most of ``real_train``, ``general``, ``real_dev``, ``general_dev`` and
            ``real``.
        seed: of the draw.
        progress: told how many lines of the package are read, of how many.

    Returns:
        The lines by the names in ``counts``, without context.
    """
    names = {_words(name) for name in unheard}
    game_dir = fetch_debian(fotaq.PACKAGE, cache_dir)
    lines = fotaq.read_fotaq(game_dir, cache_dir / "fotaq-speech", progress)
    speakers = fotaq.split_speakers(lines)
    train = [line for line in speakers.train if not says_any(line.reference or "", names)]
    dev = [line for line in speakers.dev if not says_any(line.reference or "", names)]
    real_train = draw_lines(train, counts["real_train"], (seed, 10))
    real_dev = draw_lines(dev, counts["real_dev"], (seed, 11))
    drawn = {line.utterance_id for line in (*real_train, *real_dev)}
    train = [line for line in train if line.utterance_id not in drawn]
    dev = [line for line in dev if line.utterance_id not in drawn]
    return {
        "real_train": real_train,
        "general": draw_lines(train, counts["general"], (seed, 13), GENERAL_S),
        "real_dev": real_dev,
        "general_dev": draw_lines(dev, counts["general_dev"], (seed, 14), GENERAL_S),
        "real": draw_lines(speakers.test, counts["real"], (seed, 12)),
    }


def read_second_cast(
    cache_dir: Path,
    unheard: Iterable[str],
    count: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> list[Utterance]:
    """Draw lines of the second game to train on; see `read_real_lines`."""
    names = {_words(name) for name in unheard}
    archive = sky.open_sky(fetch_debian(sky.PACKAGE, cache_dir))
    lines = sky.read_sky(archive, cache_dir / "sky-speech", REAL_S)
    heard = [line for line in lines if not says_any(line.reference or "", names)]
    drawn = draw_lines(heard, count, (seed, 15))
    sky.write_recordings(archive, drawn, progress)
    return drawn


def draw_lines(
    lines: Iterable[Utterance],
    count: int,
    seed: tuple[int, ...],
    lengths_s: tuple[float, float] = REAL_S,
) -> list[Utterance]:
    """Draw lines of fair length and pace, no known speaker with more than `SPEAKER_SHARE`."""
    usable = [line for line in lines if is_usable(line, lengths_s)]
    most = round(SPEAKER_SHARE * count)
    taken: Counter[str | None] = Counter()
    drawn: list[Utterance] = []
    for index in np.random.default_rng(seed).permutation(len(usable)):
        line = usable[index]
        if len(drawn) < count and (line.speaker is None or taken[line.speaker] < most):
            taken[line.speaker] += 1
            drawn.append(_real_row(line))
    return drawn


def is_usable(line: Utterance, lengths_s: tuple[float, float]) -> bool:
    """Whether a line is of fair length, and of words at a pace that a transcript is trusted at."""
    text = line.reference or ""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z ,.!?'-]+", text) is not None
    pace = len(text.split()) / line.duration_s
    return (
        plain
        and lengths_s[0] <= line.duration_s <= lengths_s[1]
        and REAL_WORDS_PER_S[0] <= pace <= REAL_WORDS_PER_S[1]
    )


def says_any(text: str, names: set[tuple[str, ...]]) -> bool:
    """Whether one of the names stands in the text as whole words."""
    words = _words(text)
    longest = max(map(len, names), default=0)
    return any(
        words[start : start + length] in names
        for start in range(len(words))
        for length in range(1, longest + 1)
    )


def _real_row(line: Utterance) -> Utterance:
    tags = {"set": "real", "topic": "general", "voice": line.speaker or ""}
    return replace(line, context=(), tags=tags)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.lower()))
