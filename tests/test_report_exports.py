"""Exports hold what the report counts, in files that other tools read."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.cli import cli
from asr_adapt.errors import UsageError
from asr_adapt.records import ErrorCounts, Hypothesis, Utterance
from asr_adapt.reporting.exports.nist import EVENLY
from asr_adapt.reporting.exports.rows import safe_names
from asr_adapt.reporting.exports.write import ABOUT, FORMATS, write_exports
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.runs import Run, RunSet
from asr_adapt.scoring.alignment import score_words
from asr_adapt.scoring.score import score_run
from asr_adapt.sources.debian import fetch_debian
from tests.test_report import make_run

ARMS = ("base", "lora+bias")
SAID = ("Maas Approach, this is Nordic Falcon", "channel one six, over", "Ship ahoy; {stop} now")
HEARD = {
    "base": ("mass approach this is nordic", "channel six six over", "ship a hoy stop now please"),
    "lora+bias": ("maas approach this is nordic falcon", "", "=ship ahoy now"),
}


@pytest.fixture(scope="module")
def report() -> Report:
    utterances = [
        Utterance(f"call {i}", Path("day 1/a.wav"), 10.0 * i, 2.5, text, speaker=f"Jo <{i}>")
        for i, text in enumerate(SAID)
    ]
    utterances += [
        Utterance("lost", Path("b.wav"), 0.0, 1.0, "never compared", speaker="=1+1"),
        Utterance("unwritten", Path("b.wav"), 1.0, 1.0, None),
        Utterance("quiet", Path("b.wav"), 2.0, 1.0, ""),
    ]
    rows = [Hypothesis(f"call {i}", arm, text) for arm in ARMS for i, text in enumerate(HEARD[arm])]
    rows += [Hypothesis("quiet", arm, "thank you") for arm in ARMS]
    rows += [
        Hypothesis("lost", "base", "never compared"),
        Hypothesis("lost", "lora+bias", "", error="sound is broken"),
    ]
    entry = RunSet("../test", "domain", "Calls\nof a day", tuple(utterances), tuple(rows))
    part = SetReport(entry, score_run(entry.utterances, entry.hypotheses), (), None, ())
    return Report((Run(Path(), {}, (entry,)),), (part,), 0)


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports")
    exports = write_exports(report, out, list(FORMATS))
    assert exports == out / "exports"
    return out / "exports" / "test"


def _counts(report: Report, arm: str) -> ErrorCounts:
    return report.primary.scores.arm(arm).words


def _added(pairs: list[tuple[str, str]]) -> ErrorCounts:
    total = ErrorCounts()
    for said, heard in pairs:
        total += score_words(said, heard)
    return total


def _segments(path: Path) -> dict[str, str]:
    """Read an STM as its specification says: five fields, then words."""
    fields = [line.split(maxsplit=5) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(len(each) >= 5 and float(each[3]) < float(each[4]) for each in fields)
    return {each[0]: each[5] if len(each) > 5 else "" for each in fields}


def test_every_set_has_its_folder_and_every_file_is_explained(report: Report, folder: Path) -> None:
    assert sorted(each.name for each in folder.parent.iterdir()) == ["INDEX.txt", "test"]
    index = (folder.parent / "INDEX.txt").read_text(encoding="utf-8")
    for path in folder.iterdir():
        assert f"  {path.name}: " in index
    assert "test/: Calls of a day" in index
    assert re.search(r"left out, not compared.*: lost\n", index)
    assert re.search(r"left out, without a reference: unwritten\n", index)
    assert re.search(r"left out, since nobody speaks.*: quiet\n", index)
    assert set(ABOUT) == set(FORMATS)


@pytest.mark.parametrize("arm", ARMS)
def test_nemo_manifest_gives_the_counts_of_the_report(
    report: Report, folder: Path, arm: str
) -> None:
    lines = (folder / "nemo.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    field = f"pred_text_{arm.replace('+', '_')}"
    assert _added([(row["text"], row[field]) for row in rows]) == _counts(report, arm)
    assert {row["audio_filepath"] for row in rows} == {"day 1/a.wav"}
    assert [row["offset"] for row in rows] == [0.0, 10.0, 20.0]
    best = report.primary.best
    assert best is not None
    assert all(row["pred_text"] == row[f"pred_text_{best.arm.replace('+', '_')}"] for row in rows)


@pytest.mark.parametrize("arm", ARMS)
def test_segments_give_the_counts_of_the_report(report: Report, folder: Path, arm: str) -> None:
    said, heard = _segments(folder / "ref.stm"), _segments(folder / f"{arm}.stm")
    assert list(said) == list(heard) == ["call_0", "call_1", "call_2"]
    assert _added([(said[key], heard[key]) for key in said]) == _counts(report, arm)
    listed = {
        name: json.loads((folder / f"{name}.seglst.json").read_text(encoding="utf-8"))
        for name in ("ref", arm)
    }
    pairs = zip(listed["ref"], listed[arm], strict=True)
    assert _added([(a["words"], b["words"]) for a, b in pairs]) == _counts(report, arm)
    for each in listed["ref"]:
        assert set(each) == {"session_id", "speaker", "start_time", "end_time", "words"}
        assert each["end_time"] == each["start_time"] + 2.5


@pytest.mark.parametrize("arm", ARMS)
def test_words_lie_in_their_segment_in_order(folder: Path, arm: str) -> None:
    head, *lines = (folder / f"{arm}.ctm").read_text(encoding="utf-8").splitlines(keepends=True)
    assert head == EVENLY
    words: dict[str, list[str]] = {}
    ends: Counter[str] = Counter()
    for line in lines:
        waveform, channel, start, length, word = line.split()
        assert channel == "1"
        assert float(start) == pytest.approx(ends[waveform], abs=1e-3)
        ends[waveform] = float(start) + float(length)  # type: ignore[assignment]
        words.setdefault(waveform, []).append(word)
    assert all(end <= 2.5 + 1e-3 for end in ends.values())
    segments = _segments(folder / f"{arm}.stm")
    assert {key: " ".join(value) for key, value in words.items()} == {
        key: value for key, value in segments.items() if value
    }


def test_the_table_holds_every_row_and_no_formula(report: Report, folder: Path) -> None:
    with (folder / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(report.primary.scores.utterances)
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+"))]
    assert [row["error"] for row in rows if row["error"]] == ["sound is broken"]
    for arm in ARMS:
        used = [row for row in rows if row["arm"] == arm and row["compared"] == "1"]
        counts = _counts(report, arm)
        for name in ("hits", "substitutions", "deletions", "insertions"):
            assert sum(int(row[name]) for row in used) == getattr(counts, name)
        assert [row["reference"] for row in used] == list(SAID)
    assert [row["utterance_id"] for row in rows if row["silence"] == "1"] == ["quiet"] * len(ARMS)


@pytest.mark.slow
def test_lhotse_reads_the_words(folder: Path) -> None:
    from lhotse.supervision import SupervisionSegment, SupervisionSet

    segments = SupervisionSet.from_segments(
        SupervisionSegment(f"call_{i}", f"call_{i}", 0.0, 2.5, channel=1) for i in range(3)
    )
    path = folder / "base.ctm"
    plain = folder.parent / "plain.ctm"  # lhotse does not know comments
    plain.write_text(path.read_text(encoding="utf-8").removeprefix(EVENLY), encoding="utf-8")
    aligned = segments.with_alignment_from_ctm(plain, type="word")
    found = {
        each.recording_id: " ".join(item.symbol for item in (each.alignment or {})["word"])
        for each in aligned
    }
    assert found == _segments(folder / "base.stm")


@pytest.mark.debian
@pytest.mark.parametrize("arm", ARMS)
def test_sclite_counts_as_many_errors(
    report: Report, folder: Path, arm: str, pytestconfig: pytest.Config
) -> None:
    package = fetch_debian("sctk", Path(pytestconfig.cache.mkdir("debian-packages")))
    program = package / "usr/lib/sctk/bin/sclite"
    arguments = ["-r", "ref.stm", "stm", "-h", f"{arm}.ctm", "ctm", "-o", "dtl", "stdout"]
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    counts = _counts(report, arm)
    found = re.search(r"Percent Total Error.*\(\s*(\d+)\)", done.stdout)
    length = re.search(r"Ref\. words.*\(\s*(\d+)\)", done.stdout)
    assert found
    assert length
    assert (int(found[1]), int(length[1])) == (counts.errors, counts.reference_length)


def test_nothing_is_written_unasked_and_unknown_formats_are_refused(
    report: Report, tmp_path: Path
) -> None:
    assert write_exports(report, tmp_path, []) is None
    with pytest.raises(UsageError, match="'xml' is unknown"):
        write_exports(report, tmp_path, ["csv", "xml"])
    assert not list(tmp_path.iterdir())


def test_what_sclite_reads_as_markup_is_left_out_of_words(tmp_path: Path) -> None:
    utterance = Utterance("u", Path("a.wav"), 0.0, 1.0, "say {a / b} (uh) now;; \\@")
    rows = (Hypothesis("u", "base", "say a"),)
    entry = RunSet("test", "domain", "test", (utterance,), rows)
    part = SetReport(entry, score_run((utterance,), rows, "raw"), (), None, ())
    write_exports(Report((), (part,), 0), tmp_path, ["stm"])
    assert _segments(tmp_path / "exports/test/ref.stm") == {"u": "say a b uh now"}


def test_the_command_writes_what_is_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base",), count=2)
    shutil.rmtree(run / "audio")  # a run can be scored where its sounds are not
    arguments = ["score", str(run), "--also", "csv", "--also", "stm", "--also", "csv"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    written = {each.name for each in (run / "exports" / "test").iterdir()}
    assert written == {"scores.csv", "ref.stm", "base.stm"}
    assert (run / "report.html").is_file()


def test_the_option_offers_every_format() -> None:
    shown = CliRunner().invoke(cli, ["report", "--help"]).output
    assert f"[{'|'.join(FORMATS)}]" in shown


@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_names_of_files_are_plain_and_differ(names: list[str]) -> None:
    safe = safe_names(names)
    assert list(safe) == names
    assert len({each.casefold() for each in safe.values()}) == len(names)
    for each in safe.values():
        assert re.fullmatch(r"\w[\w+.-]*", each, re.ASCII) or each[0] == "+"
        assert "/" not in each
        assert not each.startswith(".")
