"""Join the sets of several runs, so that their arms are compared where the utterances are the same.

Sets of one name that have sounds in common become one set; which of them all arms have, scoring
finds out. Refuses sets that give one sound different references or lengths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from asr_adapt.errors import DataError
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.reporting.arms import of_run
from asr_adapt.reporting.runs import Run, RunSet, run_labels

SAME_LENGTH_S = 0.02
"""Two clips of one utterance may differ by a frame of the encoder, as codecs and cutting round."""

_Labelled = tuple[str, RunSet]


def merge_sets(runs: Sequence[Run]) -> tuple[RunSet, ...]:
    """Join the sets of several runs.

    Sets of one name without a common utterance stay apart, and so do those that have it in another
    sound file or over another channel: the same lines over two radios are two sets. So do sets that
    are alike in part and have one name for two sounds. Arms of several runs are scored on the
    phrases that any of these runs was told, so that what is asked of each is the same. An arm that
    several runs decoded to the same texts is one arm; where texts differ, all arms that are not
    shared carry the name of their run.

    Raises:
        DataError: runs disagree about what is said in an utterance or how long it is.
    """
    groups: list[list[_Labelled]] = []
    for label, run in zip(run_labels(runs), runs, strict=True):
        for entry in run.sets:
            found = next((each for each in groups if _alike(each, entry)), None)
            if found is None:
                groups.append([(label, entry)])
            else:
                found.append((label, entry))
    return tuple(_distinct([(group[0][0], _join(group)) for group in groups]))


def _alike(group: Sequence[_Labelled], entry: RunSet) -> bool:
    """Whether a set belongs to a group: they share sounds, and no name stands for two of them."""
    known = [each for _, other in group if other.name == entry.name for each in other.utterances]
    by_name = {each.utterance_id: each for each in known}
    heard = {_sound(each) for each in known}
    return any(_sound(each) in heard for each in entry.utterances) and not any(
        _sound(each) not in heard and _difference(by_name[each.utterance_id], each)
        for each in entry.utterances
        if each.utterance_id in by_name
    )


def _sound(utterance: Utterance) -> tuple[str | None, ...]:
    """Return what tells sounds apart wherever they lie and whatever format they are kept in.

    Recipes name a clip after its line and its speaker, so the same name may come over two channels.
    """
    return (utterance.utterance_id, utterance.audio_path.stem, utterance.tags.get("channel"))


def _distinct(entries: Sequence[_Labelled]) -> list[RunSet]:
    """Name sets after their run where another set before them has their name."""
    taken: set[str] = set()
    named = []
    for label, entry in entries:
        again = entry.name in taken
        taken.add(entry.name)
        title = f"{entry.title} ({label})"
        named.append(
            replace(entry, name=f"{entry.name} ({label})", title=title) if again else entry
        )
    return named


def _join(group: Sequence[_Labelled]) -> RunSet:
    first = replace(group[0][1], runs=tuple(label for label, _ in group))
    if len(group) == 1:
        return first
    utterances: dict[str, Utterance] = {}
    for label, entry in group:
        for each in entry.utterances:
            known = utterances.setdefault(each.utterance_id, each)
            if other := _difference(known, each):
                raise DataError(
                    f"run '{label}', set '{entry.name}': utterance '{each.utterance_id}' has "
                    f"another {other} than in an earlier run; report on these runs separately"
                )
    phrases = dict.fromkeys(phrase for _, entry in group for phrase in entry.phrases)
    return replace(
        first,
        utterances=tuple(utterances.values()),
        hypotheses=tuple(_join_arms(group)),
        phrases=tuple(phrases),
    )


def _difference(one: Utterance, two: Utterance) -> str | None:
    """Say what tells two utterances of one name apart; None if they are the same."""
    if one.reference != two.reference:
        return "reference"
    # Clips are cut to samples, lengths of other tools' tables are rounded to hundredths.
    return "length" if abs(one.duration_s - two.duration_s) > SAME_LENGTH_S else None


def _join_arms(group: Sequence[_Labelled]) -> list[Hypothesis]:
    runs = [(label, _by_arm(entry.hypotheses)) for label, entry in group]
    texts: dict[str, list[Mapping[str, Hypothesis]]] = defaultdict(list)
    for _, arms in runs:
        for arm, rows in arms.items():
            texts[arm].append(rows)
    shared = {arm for arm, found in texts.items() if len(found) > 1 and _same(found)}
    clash = any(len(found) > 1 and arm not in shared for arm, found in texts.items())
    named = (
        replace(row, arm=of_run(arm, label)) if clash and arm not in shared else row
        for label, arms in runs
        for arm, rows in arms.items()
        for row in rows.values()
    )
    return [row for rows in _by_arm(named).values() for row in rows.values()]


def _by_arm(rows: Iterable[Hypothesis]) -> dict[str, dict[str, Hypothesis]]:
    """Sort rows by arm and utterance; of several of one, the first that did not fail."""
    found: dict[str, dict[str, Hypothesis]] = defaultdict(dict)
    for row in rows:
        there = found[row.arm].get(row.utterance_id)
        if there is None or there.error is not None:
            found[row.arm][row.utterance_id] = row
    return found


def _same(found: Sequence[Mapping[str, Hypothesis]]) -> bool:
    """Tell whether all runs have the same texts for the utterances that they have in common."""
    first = found[0]
    return all(
        (first[key].text, first[key].error is None) == (row.text, row.error is None)
        for other in found[1:]
        for key, row in other.items()
        if key in first
    )
