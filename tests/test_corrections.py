"""Tables for people: what is written is read again, and no spreadsheet runs it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from asr_adapt.corrections import (
    WRITTEN_NAME,
    Correction,
    harmless,
    refuse_corrected,
    replace_corrections,
    write_corrections,
)
from asr_adapt.errors import DataError, UsageError
from asr_adapt.manifest import load_data
from asr_adapt.records import Utterance
from tests.toys import toy_rows


def correction(toy: Path, text: str, **changes: object) -> Correction:
    row: Utterance = replace(toy_rows(toy, "test")[0], **changes)  # type: ignore[arg-type]
    return Correction(row, text, {"note": "why"})


@pytest.mark.parametrize(
    "text", ["over and out", "=1+1", "-Weser, over", "@tug", '"Alma", over; ships|tugs', "süß"]
)
def test_what_is_written_is_read_again(text: str, toy: Path, tmp_path: Path) -> None:
    row = correction(toy, text, context=("Nordic; Star", "Elbe"), speaker="=ann")
    write_corrections(tmp_path / "table.csv", [row])
    (read,) = load_data(tmp_path / "table.csv", allow_outside=True).usable()
    assert read.reference == text
    assert read == replace(
        row.utterance, reference=text, tags={"note": "why"}, duration_s=read.duration_s
    )
    assert read.duration_s == pytest.approx(row.utterance.duration_s, abs=1e-3)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row_cells in csv.reader(file) for cell in row_cells]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_one_phrase_with_a_semicolon_stays_one(toy: Path, tmp_path: Path) -> None:
    row = correction(toy, "x", context=("Nordic; Star",))
    write_corrections(tmp_path / "table.csv", [row])
    (read,) = load_data(tmp_path / "table.csv", allow_outside=True).usable()
    assert read.context == ("Nordic; Star",)


def test_a_separator_in_a_phrase_is_refused(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds a '\|'"):
        write_corrections(tmp_path / "t.csv", [correction(toy, "x", context=("a|b", "c"))])


def test_cells_hold_one_line() -> None:
    assert harmless("a\nb\r\tc") == "a b c"
    assert harmless("\t=1") == " =1"


def test_audio_beside_the_table_is_named_relative_to_it(toy: Path, tmp_path: Path) -> None:
    clip = tmp_path / "a.flac"
    clip.write_bytes(toy_rows(toy, "test")[0].audio_path.read_bytes())
    write_corrections(tmp_path / "t.csv", [correction(toy, "x", audio_path=clip)])
    (read,) = load_data(tmp_path / "t.csv").usable()
    assert read.audio_path == clip.resolve()


def test_a_table_is_replaced_until_somebody_changes_it(toy: Path, tmp_path: Path) -> None:
    table, folder = tmp_path / "t.csv", tmp_path / "decoded"
    refuse_corrected(table, folder)
    replace_corrections(table, [correction(toy, "over")], folder)
    replace_corrections(table, [correction(toy, "out")], folder)
    refuse_corrected(table, folder)
    table.write_text(table.read_text().replace(",out,", ",over and out,"))
    with pytest.raises(UsageError, match=r"t\.csv: is there already.*--out"):
        refuse_corrected(table, folder)
    with pytest.raises(UsageError, match=r"t\.csv: is there already.*--out"):
        replace_corrections(table, [correction(toy, "out")], folder)
    assert ",over and out," in table.read_text()
    assert (folder / WRITTEN_NAME).is_file()


def test_a_table_that_somebody_else_wrote_is_not_replaced(toy: Path, tmp_path: Path) -> None:
    write_corrections(tmp_path / "t.csv", [correction(toy, "over")])
    for note in (None, "{", '{"sha256": 1}', "[]"):
        if note is not None:
            (tmp_path / WRITTEN_NAME).write_text(note)
        with pytest.raises(UsageError, match="may hold corrections"):
            refuse_corrected(tmp_path / "t.csv", tmp_path)
