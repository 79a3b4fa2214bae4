"""Context phrases: found whole, counted once, and told apart from what was never said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.records import ErrorCounts
from asr_adapt.scoring.alignment import align_words, score_words
from asr_adapt.scoring.score_records import TermCounts, all_terms
from asr_adapt.scoring.terms import (
    PhraseBook,
    count_terms,
    find_phrases,
    leaked_phrases,
    make_book,
    normalise_phrases,
    split_by_context,
)
from asr_adapt.words.text import get_normaliser


def _book(*phrases: str) -> PhraseBook:
    return make_book({tuple(phrase.lower().split()): phrase for phrase in phrases})


def _terms(said: str, heard: str, *phrases: str) -> dict[str, TermCounts]:
    counted = count_terms(align_words(said, heard), _book(*phrases))
    return {term.phrase: term for term in counted}


def test_the_longest_phrase_claims_its_words() -> None:
    book = _book("Aurora", "Aurora Star", "Star")
    found = find_phrases(["aurora", "star", "and", "aurora", "and", "star"], book)
    assert found == [(0, ("aurora", "star")), (3, ("aurora",)), (5, ("star",))]


def test_phrases_that_read_the_same_are_one() -> None:
    phrases = normalise_phrases(["Aurora Star", "AURORA STAR", "!"], get_normaliser("spoken-en"))
    assert phrases == {("aurora", "star"): "Aurora Star"}


def test_recall_and_precision_come_from_whole_phrases() -> None:
    said, heard = "aurora star calling maria maria", "aurora stern calling maria vesta"
    assert _terms(said, heard, "Aurora Star", "Maria", "Vesta") == {
        "Aurora Star": TermCounts("Aurora Star", 0, 1, 0),
        "Maria": TermCounts("Maria", 1, 1, 0),
        "Vesta": TermCounts("Vesta", 0, 0, 1, leaks=1),
    }


def test_a_term_never_said_has_no_recall_and_one_never_heard_no_precision() -> None:
    assert TermCounts("a", 0, 0, 2).recall is None
    assert TermCounts("a", 0, 0, 2).precision == 0
    assert TermCounts("a", 0, 2, 0).precision is None
    assert TermCounts("a", 3, 1, 1).recall == TermCounts("a", 3, 1, 1).precision == 0.75


def test_a_possessive_is_the_phrase_and_the_exact_phrase_comes_first() -> None:
    found = _terms("nordic stars position", "nordic star position", "Nordic Star")
    assert found == {"Nordic Star": TermCounts("Nordic Star", 1, 0, 0)}
    both = _terms("nordic stars calling", "nordic stars calling", "Nordic Star", "Nordic Stars")
    assert both == {"Nordic Stars": TermCounts("Nordic Stars", 1, 0, 0)}
    assert find_phrases(["elbes", "ds"], _book("Elbe", "D")) == [(0, ("elbe",))]


def test_a_longer_number_is_another_phrase() -> None:
    said, listed = "speedbird 4 2 climb", "Speedbird 4 2"
    assert _terms(said, said, listed) == {listed: TermCounts(listed, 1, 0, 0)}
    assert _terms(said, "speedbird 4 2 1 climb", listed) == {listed: TermCounts(listed, 0, 1, 0)}
    # A wrong digit of the number that follows is none of the phrase's.
    assert _terms("engine 2 5 main", "engine 2 9 main", "Engine 2")["Engine 2"].hits == 1


# Leaks: heard where nothing like it was said


def test_a_phrase_heard_for_a_similar_one_is_false_but_no_leak() -> None:
    found = _terms("noble lily calling", "noble daisy calling", "Noble Lily", "Noble Daisy")
    assert found["Noble Daisy"] == TermCounts("Noble Daisy", 0, 0, 1, leaks=0)


def test_a_phrase_heard_in_silence_is_a_leak() -> None:
    found = _terms("", "zeelandia rover zeelandia rover", "Zeelandia Rover")
    assert found["Zeelandia Rover"] == TermCounts("Zeelandia Rover", 0, 0, 2, leaks=2)


def test_a_phrase_put_into_other_words_is_a_leak() -> None:
    said = "requesting permission to leave the harbour"
    heard = "requesting permission to sector maasmond the harbour"
    assert _terms(said, heard, "Sector Maasmond")["Sector Maasmond"].leaks == 1


def test_a_phrase_split_otherwise_is_no_leak() -> None:
    found = _terms("north star calling", "northstar calling", "Northstar")
    assert found["Northstar"] == TermCounts("Northstar", 0, 0, 1, leaks=0)


def test_a_phrase_said_elsewhere_in_the_utterance_is_no_leak() -> None:
    said, heard = "vesta what is your position", "what is your position vesta"
    assert leaked_phrases(align_words(said, heard), _book("Vesta"))
    assert _terms(said, heard, "Vesta")["Vesta"] == TermCounts("Vesta", 1, 0, 0, leaks=0)


# Properties

_words = st.lists(st.sampled_from(["of", "pride", "hull", "call", "star"]), max_size=8)
_BOOK = _book("pride of hull", "star")


@given(_words, _words)
def test_context_and_other_words_are_all_words(said: list[str], heard: list[str]) -> None:
    reference, hypothesis = " ".join(said), " ".join(heard)
    context, other = split_by_context(align_words(reference, hypothesis), _BOOK)
    assert context + other == score_words(reference, hypothesis)
    inside = sum(len(phrase) for _, phrase in find_phrases(said, _BOOK))
    assert context.reference_length == inside


@given(_words, _words)
def test_counts_of_terms_add_up(said: list[str], heard: list[str]) -> None:
    terms = count_terms(align_words(" ".join(said), " ".join(heard)), _BOOK)
    total = all_terms(terms)
    assert total.hits + total.misses == len(find_phrases(said, _BOOK))
    assert total.hits + total.false_insertions == len(find_phrases(heard, _BOOK))
    assert all(0 <= term.leaks <= term.false_insertions for term in terms)


@given(_words)
def test_what_is_heard_as_it_was_said_holds_nothing_false(said: list[str]) -> None:
    terms = all_terms(count_terms(align_words(" ".join(said), " ".join(said)), _BOOK))
    assert (terms.misses, terms.false_insertions, terms.leaks) == (0, 0, 0)


@given(_words, st.permutations(["pride of hull", "star", "pride", "hull call"]))
def test_the_order_of_a_list_changes_nothing(said: list[str], phrases: list[str]) -> None:
    assert find_phrases(said, _book(*phrases)) == find_phrases(said, _book(*sorted(phrases)))


def test_errors_fall_on_the_side_of_the_reference_word() -> None:
    columns = align_words("pride of hull leaves port of call", "pride on hull leaves part of call")
    context, other = split_by_context(columns, _BOOK)
    assert context == ErrorCounts(hits=2, substitutions=1)
    assert other == ErrorCounts(hits=3, substitutions=1)


def test_an_inserted_context_word_counts_against_the_context() -> None:
    context, other = split_by_context(align_words("call", "call star now"), _BOOK)
    assert context == ErrorCounts(insertions=1)
    assert other == ErrorCounts(hits=1, insertions=1)
