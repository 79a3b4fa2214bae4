"""The hypothesis log: what was appended is read back, and a torn end costs one row."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.errors import ManifestError, UsageError
from asr_adapt.hypotheses import BLOCK_BYTES, HypothesisLog, read_hypotheses, refuse_leftovers
from asr_adapt.records import ARMS, Hypothesis

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
logprobs = st.none() | st.floats(-20, 0)
hypotheses = st.builds(
    Hypothesis,
    utterance_id=st.integers(0, 5).map(str),
    arm=st.sampled_from(ARMS),
    text=texts,
    prompt=st.none() | texts,
    dropped_phrases=st.lists(texts, max_size=2).map(tuple),
    avg_logprob=logprobs,
    decode_s=st.floats(0, 100),
    flags=st.sets(st.sampled_from(["loop", "empty", "cap"])).map(lambda s: tuple(sorted(s))),
    error=st.none() | texts,
    dropped_more=st.integers(0, 10_000),
)
ROWS = [Hypothesis(f"u{i}", "base", f"zwölf\u2028 Schiffe {i}", avg_logprob=-0.5) for i in range(4)]


def unique_rows(rows: list[Hypothesis]) -> list[Hypothesis]:
    """Keep the first row of each utterance and arm."""
    first: dict[tuple[str, str], Hypothesis] = {}
    for row in rows:
        first.setdefault((row.utterance_id, row.arm), row)
    return list(first.values())


@given(st.lists(hypotheses, max_size=8).map(unique_rows))
def test_what_is_appended_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Hypothesis]
) -> None:
    path = tmp_path_factory.mktemp("log") / "hypotheses.jsonl"
    HypothesisLog(path).append(rows)
    assert read_hypotheses(path) == rows
    assert HypothesisLog(path).done == {(r.utterance_id, r.arm) for r in rows}


def test_rows_of_older_logs_name_all_that_did_not_fit(tmp_path: Path) -> None:
    old = Hypothesis("u", "base+bias", "a", "Tug.", ("Elbe", "Weser")).to_json()
    del old["dropped_more"]
    (tmp_path / "h.jsonl").write_text(json.dumps(old) + "\n")
    (row,) = read_hypotheses(tmp_path / "h.jsonl")
    assert row.dropped_phrases == ("Elbe", "Weser")
    assert row.dropped_count == 2


def test_a_row_is_never_written_twice(tmp_path: Path) -> None:
    log = HypothesisLog(tmp_path / "h.jsonl")
    log.append(ROWS[:2])
    log.append([Hypothesis("u0", "base", "other"), ROWS[2]])
    assert read_hypotheses(log.path) == ROWS[:3]
    HypothesisLog(log.path).append(ROWS)
    assert read_hypotheses(log.path) == ROWS


def test_what_failed_can_be_tried_again(tmp_path: Path) -> None:
    failed = Hypothesis("u1", "base", "", error="the disk is gone")
    path = tmp_path / "h.jsonl"
    HypothesisLog(path).append([ROWS[0], failed])
    HypothesisLog(path).append(ROWS[:2])
    assert read_hypotheses(path) == [ROWS[0], failed]
    log = HypothesisLog(path)
    log.retry_failed()
    log.append([failed])
    log = HypothesisLog(path)
    log.retry_failed()
    assert log.done == {("u0", "base")}
    log.append(ROWS[:2])
    assert read_hypotheses(path) == ROWS[:2]
    log = HypothesisLog(path)
    log.retry_failed()
    assert len(log.done) == 2


def test_a_log_torn_at_any_byte_keeps_every_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    HypothesisLog(path).append(ROWS)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        log = HypothesisLog(path)
        assert len(log.done) == whole
        log.append(ROWS)
        assert path.read_bytes() == content


def test_a_torn_row_longer_than_what_is_read_at_once_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    long = Hypothesis("long", "base", "x" * 3 * BLOCK_BYTES)
    for rows in ([long], [*ROWS, long], [long, ROWS[0]]):
        path.unlink(missing_ok=True)
        HypothesisLog(path).append(rows)
        content = path.read_bytes()
        for missing in (1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7, len(content)):
            path.write_bytes(content[: len(content) - missing])
            HypothesisLog(path)
            assert path.read_bytes() == content[: content.rfind(b"\n", 0, -missing) + 1]


def test_a_torn_row_is_cut_off_without_writing_a_byte(tmp_path: Path) -> None:
    """Whatever is written anew can be lost: here, where no file may grow any more."""
    path = tmp_path / "h.jsonl"
    HypothesisLog(path).append(ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        HypothesisLog(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", "no json", '{"utterance_id": "u1", "arm": "base", "text": "a", "extra": 1}'],
)
def test_a_line_that_is_no_hypothesis_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(json.dumps(ROWS[0].to_json()) + f"\n{line}\n")
    with pytest.raises(ManifestError, match=r"h\.jsonl:2"):
        read_hypotheses(path)


def test_an_utterance_decoded_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(2 * (json.dumps(ROWS[0].to_json()) + "\n"))
    with pytest.raises(ManifestError, match="'u0' stands twice for arm 'base'"):
        read_hypotheses(path)


def test_what_is_left_without_its_record_is_named(tmp_path: Path) -> None:
    record, gone = tmp_path / "run.json", tmp_path / "gone.jsonl"
    logs = [tmp_path / f"{i}.jsonl" for i in range(5)]
    refuse_leftovers(record, [gone])
    for log in logs:
        HypothesisLog(log).append(ROWS)
    with pytest.raises(UsageError, match=r"[^:]*/3\.jsonl: .*no run\.json says what made it"):
        refuse_leftovers(record, [gone, logs[3]])
    with pytest.raises(UsageError, match=r"0\.jsonl, .*1\.jsonl, .*2\.jsonl and 2 more: "):
        refuse_leftovers(record, logs)
