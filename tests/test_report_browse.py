"""What the page narrows down by and leads to is what the utterances hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.facets import Browser, browse
from asr_adapt.reporting.leads import find_leads
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.tables import confused, term_rows
from tests.test_report import make_run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Browser]:
    folder: Path = tmp_path_factory.mktemp("browse")
    report = build_report([make_run(folder / "run", count=10)], folder / "out")
    return report, browse(report)


def test_every_utterance_of_every_set_is_shown_once(built: tuple[Report, Browser]) -> None:
    report, found = built
    keys = [(each.part.entry.name, each.example.utterance.utterance_id) for each in found.shown]
    assert len(set(keys)) == len(keys) == sum(len(p.entry.utterances) for p in report.sets)
    assert [each.number for each in found.shown] == list(range(len(keys)))


def test_facets_of_one_value_each_divide_the_utterances(built: tuple[Report, Browser]) -> None:
    titles = [facet.title for facet in built[1].facets]
    for title in ("test set", "speaker", "topic", "carrier-to-noise ratio, dB"):
        place = titles.index(title)
        values = Counter(
            each for row in built[1].shown for each in row.places if each.startswith(f"{place}.")
        )
        assert sum(values.values()) == len(built[1].shown)
        assert len(values) == len(built[1].facets[place].values)


def test_numbers_in_tables_lead_to_their_utterances(built: tuple[Report, Browser]) -> None:
    part = built[0].primary
    leads = find_leads(built[1].shown, part)
    rows = {each.number: each.example for each in built[1].shown}
    for arm in (each.arm for each in part.scores.arms):
        for (said, heard), times in confused(part, arm):
            found = leads.confusion(arm, said, heard)
            assert 1 <= len(found) <= times
            for number in found:
                score = next(one.score for one in rows[number].heard if one.arm == arm)
                assert (said, heard) in {(w.reference, w.hypothesis) for w in score.alignment}
        for term in term_rows(part):
            counts = term.arms.get(arm)
            assert bool(leads.missed(arm, term.phrase)) == bool(counts and counts.misses)
            false = counts.false_insertions if counts else 0
            assert bool(leads.false(arm, term.phrase)) == bool(false)
