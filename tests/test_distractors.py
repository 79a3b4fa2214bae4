"""Sound-alikes are the closest of a pool, never the phrase itself, in any order of the pool."""

from __future__ import annotations

from asr_adapt.context.bias import plain_words
from asr_adapt.context.distractors import CLOSEST, sound_alikes

POOL = (
    "Nordic Star", "Nordic Tsar", "Norrdic Starr", "Baltic Heron", "Baltic Herring", "Elbe Pilot",
    "Weser Traffic", "Weather Traffic", "Queen of Hull", "Anna Lotte", "Hanna Lotte",
    "Black Pearl",
)  # fmt: skip


def test_the_closest_come_first_and_the_phrase_itself_never() -> None:
    alike = sound_alikes(["nordic star", "Anna Lotte"], POOL, plain_words)
    assert set(alike["nordic star"][:2]) == {"Nordic Tsar", "Norrdic Starr"}
    assert alike["Anna Lotte"][0] == "Hanna Lotte"
    for phrase, others in alike.items():
        assert len(others) <= CLOSEST
        assert phrase.casefold() not in {other.casefold() for other in others}


def test_the_order_of_the_pool_does_not_matter() -> None:
    shuffled = sorted(POOL, key=lambda phrase: phrase[::-1])
    assert sound_alikes(POOL, POOL, plain_words) == sound_alikes(shuffled, shuffled, plain_words)


def test_nothing_is_like_nothing() -> None:
    assert sound_alikes([], POOL, plain_words) == {}
    assert not any(sound_alikes(["Anna Lotte"], [], plain_words).values())
