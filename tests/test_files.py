"""Files that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr_adapt.files import names_hub_data, write_json, write_whole


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")
    assert path.read_text(encoding="utf-8") == "old"


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "made" / "too" / "result.json"
    content = {"ship": "Ærø", "wer": 0.25, "none": None, "arms": ["base", "lora"]}
    write_json(path, content)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert "Ærø" in text, "for people to read"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_it_cannot_say(tmp_path: Path, number: float) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"wer": number})
    assert not list(tmp_path.iterdir())


def test_a_name_of_the_hub_is_no_slip_in_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calls").mkdir()
    assert names_hub_data(Path("someone/ship-calls.v2"))
    for slip in ("calls/test", "someone/test.csv", "test", "a/b/c", "../b", "/a/b", "a b/c"):
        assert not names_hub_data(Path(slip)), slip
    Path("calls/test").touch()
    assert not names_hub_data(Path("calls/test"))
