"""Parts of a data set that share nobody, and the proof that a test set is unheard.

Clips of one speaker or recording on both sides of a split make results look far better than they
are: on ATCOSIM 1.17 % WER with a random split, 3.88 % by speaker (van Doorn et al. 2024,
repository.tudelft.nl, uuid 8e02d222). So data is split by speaker, else by recording, and before
anything is scored, ``check_leaks`` or ``check_against`` compares the test set with the training.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr_adapt.errors import DataError, LeakError
from asr_adapt.files import content_sha256
from asr_adapt.records import Utterance

MOST_DEV = 0.3
"""The largest share that is taken from training so that no speaker is on both sides."""
MOST_TEST = 0.5
"""The same for test speech, without which nothing can be claimed: of three speakers one."""
SHOWN_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Split:
    """Two parts of a data set.

    Attributes:
        train: the larger part.
        dev: the part that chooses the checkpoint.
        rule: how they were separated, in words.
    """

    train: tuple[Utterance, ...]
    dev: tuple[Utterance, ...]
    rule: str


def split_by_speaker(
    utterances: Sequence[Utterance], dev_share: float, seed: int, most: float = MOST_DEV
) -> Split:
    """Set a part aside for choosing checkpoints, with other speakers where that is possible.

    Without at least two speakers, or where one speaker alone would be more than ``most`` of the
    audio, whole recordings are set aside; with one recording only, single utterances are.
    The order of the utterances does not matter.

    Args:
        utterances: at least two.
        dev_share: the share of the audio to set aside, a fraction between 0 and 1.
        seed: of the draw.
        most: the largest share that is set aside whole, a fraction.

    Raises:
        DataError: fewer than two utterances, or ``dev_share`` is no fraction.
    """
    if len(utterances) < 2:
        raise DataError(f"{len(utterances)} utterance(s): too few to set a dev part aside")
    if not 0 < dev_share < 1:
        raise DataError(f"dev share {dev_share:g} is not between 0 and 1")
    total_s = sum(utterance.duration_s for utterance in utterances)
    speakers = {utterance.speaker for utterance in utterances if utterance.speaker}
    most_s = max(most, 1.5 * dev_share) * total_s
    rules: list[tuple[str, Callable[[Utterance], str]]] = []
    if len(speakers) >= 2:
        rules.append(("by speaker", lambda u: u.block))
    recordings = _recordings(utterances)
    rules.append(("by recording", lambda u: recordings[u.utterance_id]))
    for rule, block in rules:
        dev_blocks = _draw(utterances, block, dev_share * total_s, seed)
        dev = [u for u in utterances if block(u) in dev_blocks]
        if 0 < len(dev) < len(utterances) and sum(u.duration_s for u in dev) <= most_s:
            files = len(set(recordings.values()))
            return _split(utterances, dev, _in_words(rule, speakers, files))
    dev_ids = _draw(utterances, lambda u: u.utterance_id, dev_share * total_s, seed)
    dev = [u for u in utterances if u.utterance_id in dev_ids]
    return _split(
        utterances, dev, "by utterance: each speaker or recording is too much to go without"
    )


def hold_out(
    speech: Sequence[Utterance], trained: Iterable[Utterance], count: int, seed: int
) -> tuple[list[int], list[int]]:
    """Choose utterances to measure with, of speakers that nothing is trained on if that can be.

    Whole speakers, or recordings where no speaker is named, are left out of training, together a
    fifth of the utterances at most: of those that the other training speech has not, if they have
    half of what is wanted, else of all. What cannot be kept apart so, as where there is one speaker
    only, is drawn by lot.

    Args:
        speech: of which some is trained on.
        trained: what is trained on beside it.
        count: how many are wanted; a fifth of all is the most.
        seed: of the draw.

    Returns:
        The indices of those to measure with, and of those to train on, each in the order drawn.
    """
    order = np.random.default_rng([seed, 4]).permutation(len(speech)).tolist()
    most = len(speech) // 5
    wanted = min(count, most)
    blocks: dict[str, list[int]] = defaultdict(list)
    for index in order:
        blocks[speech[index].block].append(index)
    heard = {utterance.block for utterance in trained}
    unheard = [rows for block, rows in blocks.items() if block not in heard]
    enough = 2 * sum(map(len, unheard)) >= wanted
    apart: set[int] = set()
    for rows in unheard if enough else blocks.values():
        if len(apart) < wanted and len(apart) + len(rows) <= most:
            apart.update(rows)
    if 2 * len(apart) < wanted:
        apart = set(order[:wanted])
    return [i for i in order if i in apart][:wanted], [i for i in order if i not in apart]


def _recordings(utterances: Iterable[Utterance]) -> dict[str, str]:
    """Name the recording of each utterance, by its id; a file under several names is one."""
    renamed: dict[str, str] = {}
    of_file: dict[Path, str] = {}

    def known_as(name: str) -> str:
        while name in renamed:
            name = renamed[name]
        return name

    rows = list(utterances)
    for u in rows:
        names = {known_as(u.recording), known_as(of_file.setdefault(u.audio_path, u.recording))}
        if len(names) == 2:
            renamed[max(names)] = min(names)
    return {u.utterance_id: known_as(u.recording) for u in rows}


def _draw(
    utterances: Sequence[Utterance],
    block: Callable[[Utterance], str],
    wanted_s: float,
    seed: int,
) -> set[str]:
    """Draw blocks whose audio comes close to ``wanted_s``, but never all of them."""
    lengths_s: dict[str, float] = defaultdict(float)
    for utterance in utterances:
        lengths_s[block(utterance)] += utterance.duration_s
    names = sorted(lengths_s)
    random.Random(seed).shuffle(names)  # noqa: S311 - a split, no secret
    drawn: set[str] = set()
    drawn_s = 0.0
    for name in names:
        if drawn_s + lengths_s[name] / 2 <= wanted_s and len(drawn) < len(names) - 1:
            drawn.add(name)
            drawn_s += lengths_s[name]
    return drawn or {min(names, key=lambda name: (lengths_s[name], name))}


def _split(utterances: Sequence[Utterance], dev: list[Utterance], rule: str) -> Split:
    in_dev = {utterance.utterance_id for utterance in dev}
    train = tuple(u for u in utterances if u.utterance_id not in in_dev)
    return Split(train, tuple(dev), rule)


def _in_words(rule: str, speakers: set[str], files: int) -> str:
    """Say how the parts were separated, and what that does not promise."""
    if rule == "by speaker":
        return f"by speaker: none of {len(speakers)} speakers is in both parts"
    if len(speakers) >= 2:
        why = f"{len(speakers)} speakers are too few to set one aside"
    else:
        why = (
            f"only speaker '{next(iter(speakers))}' is known" if speakers else "no speaker is known"
        )
    return f"by recording: none of {files} recordings is in both parts ({why})"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a set of utterances consists of, in a form that names nobody; stored with adapters.

    Attributes:
        speakers: hashes of the speakers' names.
        recordings: hashes of the recording ids and of the bytes of the sound files; adapters made
            before have the bytes of those files only that came without an id.
        audio: hashes of the bytes of the sound files with the segments.
    """

    speakers: frozenset[str]
    recordings: frozenset[str]
    audio: frozenset[str]

    def to_json(self) -> dict[str, list[str]]:
        """Return the fingerprint as a JSON object."""
        return {
            "speakers": sorted(self.speakers),
            "recordings": sorted(self.recordings),
            "audio": sorted(self.audio),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Fingerprint:
        """Build a fingerprint from its JSON object.

        Raises:
            DataError: not a fingerprint.
        """
        try:
            parts = [
                frozenset(map(str, values[key])) for key in ("speakers", "recordings", "audio")
            ]
        except (KeyError, TypeError) as problem:
            raise DataError(f"not a fingerprint of training data: {problem!r}") from problem
        return Fingerprint(*parts)


@dataclass(frozen=True, slots=True)
class _Marks:
    """The hashes of one utterance; None where nothing is known."""

    speaker: str | None
    recording: str | None
    file: str | None
    audio: str | None


def fingerprint(utterances: Iterable[Utterance]) -> Fingerprint:
    """Take the fingerprint of a set of utterances; reads every sound file once."""
    marks = list(_mark_all(utterances))
    return Fingerprint(
        frozenset(m.speaker for m in marks if m.speaker),
        frozenset(mark for m in marks for mark in (m.recording, m.file) if mark),
        frozenset(m.audio for m in marks if m.audio),
    )


def _mark_all(utterances: Iterable[Utterance]) -> Iterable[_Marks]:
    for utterance in utterances:
        content = _file_hash(utterance.audio_path)
        segment = f"{content} {utterance.start_s:.2f} {utterance.duration_s:.2f}"
        # Whatever it is called, a file is a recording: one source names it, another does not.
        file = _hash(f"recording {content}") if content else None
        named = utterance.recording_id
        yield _Marks(
            _hash(f"speaker {utterance.speaker}") if utterance.speaker else None,
            _hash(f"recording {named}") if named else file,
            file,
            _hash(segment) if content else None,
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _file_hash(path: Path) -> str | None:
    """Hash a file; None if it is not here (reading the audio says so later, and better)."""
    try:
        return content_sha256(path)
    except OSError:
        return None


def check_leaks(
    train: Sequence[Utterance],
    test: Sequence[Utterance],
    phrase_groups: bool = True,
    known_phrases: Iterable[str] = (),
) -> None:
    """Refuse a test set that shares speakers, recordings or audio with the training data.

    Args:
        train: what was trained on.
        test: what is to be scored.
        phrase_groups: whether test utterances may also not have a context phrase that is spoken
            in training. Wanted where the claim is about phrases never heard, such as new ships;
            not where a fixed list of phrases is part of the task.
        known_phrases: phrases that may be in both all the same, such as places.

    Raises:
        LeakError: they do share something; the message says what, with ids and counts.
    """
    leaks = _leaks(fingerprint(train), test)
    if phrase_groups:
        known = {_words(phrase) for phrase in known_phrases}
        leaks += _phrase_leaks(train, test, known)
    _refuse(_in_sentences(leaks, len(test)))


def check_against(trained_on: Fingerprint, test: Sequence[Utterance]) -> None:
    """Refuse a test set that shares speakers, recordings or audio with a fingerprint.

    Raises:
        LeakError: they do share something; the message says what, with ids and counts.
    """
    _refuse(shared_with(trained_on, test))


def shared_with(
    trained_on: Fingerprint, test: Sequence[Utterance], part: str = "test"
) -> list[str]:
    """Say in sentences, with ids and counts, what a test set shares with a fingerprint.

    Args:
        trained_on: what was trained on.
        test: the set, or another that is to be apart from training.
        part: what the sentences call it.
    """
    return _in_sentences(_leaks(trained_on, test), len(test), part)


def check_dev(train: Sequence[Utterance], dev: Sequence[Utterance]) -> None:
    """Refuse dev speech that is training speech.

    It would choose the step that knows the training data best by heart. Speakers and recordings may
    be in both: people often have few, and dev WER is no claim about new ones.

    Raises:
        LeakError: half of a dev utterance is trained on; the message says which.
    """
    heard: dict[str | None, list[Utterance]] = defaultdict(list)
    for utterance in train:
        heard[_file_hash(utterance.audio_path)].append(utterance)
    pairs = [
        (u.audio_path.name, u.utterance_id)
        for u in dev
        if (content := _file_hash(u.audio_path))
        and any(_covers_half(other, u) for other in heard.get(content, ()))
    ]
    if pairs:
        shared = "; ".join(_in_sentences([_leak("a sound file", pairs)], len(dev), "dev"))
        raise LeakError(
            f"{shared}; give other speech with --dev, leave --dev out, or pass "
            "--allow-leaks to go on"
        )


def audio_marks(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """Return hashes of what is heard, sorted: of the bytes of the sound files with the segments."""
    return tuple(sorted(fingerprint(utterances).audio))


def check_not_tuned_on(tuned_on: Collection[str], test: Sequence[Utterance]) -> None:
    """Refuse a test set by which settings were chosen: its rate would be the best of many trials.

    Speakers and recordings may be in both, as in `check_dev`.

    Args:
        tuned_on: the marks (`audio_marks`) of the speech that chose them.
        test: what is to be scored.

    Raises:
        LeakError: they share speech; the message says how much, with ids.
    """
    marked = zip(test, _mark_all(test), strict=True) if tuned_on else ()
    shared = [u.utterance_id for u, marks in marked if marks.audio in tuned_on]
    if shared:
        raise LeakError(
            f"{len(shared)} of {len(test)} test utterances chose the bias settings "
            f"({_some(shared)}); tune on other speech, or pass --allow-leaks to go on"
        )


def _covers_half(other: Utterance, utterance: Utterance) -> bool:
    """Tell whether half of a stretch of a file is in another one; margins may overlap."""
    end_s = min(other.start_s + other.duration_s, utterance.start_s + utterance.duration_s)
    return end_s - max(other.start_s, utterance.start_s) > utterance.duration_s / 2


def shared_blocks(train: Sequence[Utterance], dev: Sequence[Utterance]) -> list[str]:
    """Return the speakers that both parts name, or else the recordings, sorted."""
    speakers = {u.speaker for u in train if u.speaker} & {u.speaker for u in dev if u.speaker}
    return sorted(speakers or {u.recording for u in train} & {u.recording for u in dev})


@dataclass(frozen=True, slots=True)
class _Leak:
    what: str
    names: tuple[str, ...]
    utterance_ids: tuple[str, ...]


def _in_sentences(leaks: Sequence[_Leak], test_size: int, part: str = "test") -> list[str]:
    return [
        f"{len(leak.utterance_ids)} of {test_size} {part} utterances have {leak.what} that is in "
        f"training: {_some(leak.names)} ({_some(leak.utterance_ids)})"
        for leak in leaks
    ]


def _refuse(sentences: Sequence[str]) -> None:
    if sentences:
        said = "; ".join(sentences)
        raise LeakError(f"{said}; split by speaker, or pass --allow-leaks to go on")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_EXAMPLES} more" if len(names) > SHOWN_EXAMPLES else ""
    return ", ".join(f"'{name}'" for name in names[:SHOWN_EXAMPLES]) + more


def _leaks(trained_on: Fingerprint, test: Sequence[Utterance]) -> list[_Leak]:
    """Find what a test set shares with the training data: the largest thing for each utterance."""
    found: dict[str, list[tuple[str, str]]] = {
        "a speaker": [],
        "a recording": [],
        "a sound file": [],
    }
    for utterance, marks in zip(test, _mark_all(test), strict=True):
        if marks.speaker in trained_on.speakers:
            found["a speaker"].append((utterance.speaker or "", utterance.utterance_id))
        elif marks.recording in trained_on.recordings:
            found["a recording"].append((utterance.recording, utterance.utterance_id))
        elif marks.file in trained_on.recordings or marks.audio in trained_on.audio:
            found["a sound file"].append((utterance.audio_path.name, utterance.utterance_id))
    return [_leak(what, pairs) for what, pairs in found.items() if pairs]


def _leak(what: str, pairs: list[tuple[str, str]]) -> _Leak:
    names = tuple(dict.fromkeys(name for name, _ in pairs))
    return _Leak(what, names, tuple(utterance_id for _, utterance_id in pairs))


def _phrase_leaks(
    train: Sequence[Utterance], test: Sequence[Utterance], known: set[tuple[str, ...]]
) -> list[_Leak]:
    """Find context phrases of the test set that are spoken, as whole words, in training."""
    spoken = {_words(utterance.reference or "") for utterance in train}
    phrases = {_words(phrase) for utterance in test for phrase in utterance.context} - known
    longest = max((len(words) for words in phrases), default=0)
    heard = {run for words in spoken for run in _runs(words, longest) if run in phrases}
    pairs = [
        (phrase, utterance.utterance_id)
        for utterance in test
        for phrase in utterance.context
        if _words(phrase) in heard
    ]
    if not pairs:
        return []
    leak = _leak("a context phrase", pairs)
    return [_Leak(leak.what, leak.names, tuple(dict.fromkeys(leak.utterance_ids)))]


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def _runs(words: tuple[str, ...], longest: int) -> Iterable[tuple[str, ...]]:
    """Yield every run of 1 to ``longest`` words."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            yield words[start:end]


def limited(utterances: Sequence[Utterance], limit: int, seed: int) -> list[Utterance]:
    """Return at most ``limit`` utterances, drawn by seed, in their order."""
    if len(utterances) <= limit:
        return list(utterances)
    chosen = np.random.default_rng([seed, 3]).choice(len(utterances), limit, replace=False)
    return [utterances[i] for i in sorted(chosen)]
