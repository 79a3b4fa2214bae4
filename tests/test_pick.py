"""Which clips to label next: within the budget, none twice, whatever the order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.errors import DataError, UsageError
from asr_adapt.records import BiasList, Utterance
from asr_adapt.unlabelled.agreement import Vote
from asr_adapt.unlabelled.pick import Budget, Labelled, Offer, choose, count_labelled, offers, worth
from asr_adapt.words.text import get_normaliser

RAW = get_normaliser("raw").function
NOTHING = Labelled(Counter(), Counter())


def offer(
    name: str,
    sure: float = 0.5,
    terms: tuple[str, ...] = (),
    speaker: str = "ann",
    seconds: float = 2,
) -> Offer:
    row = Utterance(name, Path(f"{name}.wav"), 0.0, seconds, speaker=speaker)
    return Offer(row, Vote(name, "x", sure, sure, (("x", 1),)), terms)


OFFERS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.lists(st.sampled_from(("Alma", "Elbe", "Weser")), unique=True, max_size=2),
        st.sampled_from(("ann", "bob")),
        st.floats(0.5, 30),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: [offer(f"u{i}", s, tuple(t), who, d) for i, (s, t, who, d) in enumerate(rows)])


@given(OFFERS, st.integers(1, 15), st.floats(0.5, 3), st.randoms(use_true_random=False))
def test_budget_is_kept_and_order_does_not_matter(  # type: ignore[no-untyped-def]
    candidates: list[Offer], count: int, minutes: float, random
) -> None:
    picks = choose(candidates, Budget(count, minutes), NOTHING)
    ids = [p.offer.utterance.utterance_id for p in picks]
    assert len(set(ids)) == len(ids) <= count
    assert sum(p.offer.utterance.duration_s for p in picks) <= 60 * minutes + 1e-6
    again = choose(random.sample(candidates, len(candidates)), Budget(count, minutes), NOTHING)
    assert again == picks
    assert picks[0].value == max(worth(c, NOTHING) for c in candidates)


@given(OFFERS)
def test_without_limits_everything_is_picked(candidates: list[Offer]) -> None:
    assert len(choose(candidates, Budget(100), NOTHING)) == len(candidates)


def names(candidates: list[Offer], count: int, labelled: Labelled = NOTHING) -> list[str]:
    return [p.offer.utterance.utterance_id for p in choose(candidates, Budget(count), labelled)]


def test_doubt_goes_first() -> None:
    assert names([offer("a", 0.9), offer("b", 0.2), offer("c", 0.5)], 3) == ["b", "c", "a"]


def test_a_second_clip_with_the_same_phrase_is_worth_less() -> None:
    same = [offer("a", 0.5, ("Alma",)), offer("b", 0.5, ("Alma",)), offer("c", 0.55, ("Elbe",))]
    assert names(same, 2) == ["a", "c"]


def test_speakers_are_spread() -> None:
    clips = [offer("a"), offer("b"), offer("c", speaker="bob")]
    assert names(clips, 2) == ["a", "c"]


def test_what_is_labelled_already_counts() -> None:
    done = Utterance("z", Path("z.wav"), 0.0, 1.0, reference="Alma over", speaker="ann")
    phrases = BiasList("list", ("Alma", "Elbe"), "test")
    labelled = count_labelled([done, replace(done, utterance_id="y", reference=None)], phrases, RAW)
    assert labelled == Labelled(Counter(["Alma"]), Counter(["ann"]))
    clips = [offer("a", 0.5, ("Alma",)), offer("b", 0.5, ("Elbe",), "bob")]
    assert names(clips, 1, labelled) == ["b"]


def test_phrases_are_found_in_any_decoding_as_whole_words() -> None:
    row = Utterance("u", Path("u.wav"), 0.0, 1.0, context=("Elbe", "Alma Star"))
    said = Vote("u", "x", 0.5, 0.5, (("the Alma", 2), ("Alma Star over", 1), ("Elbes", 1)))
    torn = Vote("v", "", 0, 0, (), error="torn")
    found = offers([row, replace(row, utterance_id="v")], [said, torn], None, RAW)
    assert [(o.utterance.utterance_id, o.terms) for o in found] == [("u", ("Alma Star",))]


def test_a_long_list_is_normalised_once_not_for_every_clip() -> None:
    """Normalising a thousand names takes a sixth of a second."""
    asked: Counter[str] = Counter()

    def normalise(text: str) -> str:
        asked[text] += 1
        return text.casefold()

    phrases = BiasList("list", ("Alma Star", "ALMA STAR", "Alma", "Elbe"), "test")
    rows = [
        Utterance(f"u{n}", Path("u.wav"), 0.0, 1.0, reference=f"alma star {n}", context=("Weser",))
        for n in range(5)
    ]
    votes = [
        Vote(u.utterance_id, "x", 0.5, 0.5, ((f"Alma star {u.utterance_id}", 1),)) for u in rows
    ]
    # Phrases overlap here: a clip with a whole name also teaches the shorter one.
    assert {o.terms for o in offers(rows, votes, phrases, normalise)} == {("Alma", "Alma Star")}
    assert count_labelled(rows, phrases, normalise).terms == {"Alma Star": 5, "Alma": 5}
    assert all(asked[phrase] == 2 for phrase in (*phrases.phrases, "Weser"))


@pytest.mark.parametrize(("count", "minutes"), [(0, None), (5, 0.0), (5, float("nan"))])
def test_budgets_that_make_no_sense_are_refused(count: int, minutes: float | None) -> None:
    with pytest.raises(UsageError):
        Budget(count, minutes)


def test_too_small_a_budget_is_an_error() -> None:
    with pytest.raises(DataError, match="--minutes"):
        choose([offer("a", seconds=20)], Budget(5, 0.1), NOTHING)
