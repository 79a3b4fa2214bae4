"""ATCO2 and ATCOSIM folders, written here as their publishers describe them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr_adapt.audio import write_flac
from asr_adapt.errors import ManifestError
from asr_adapt.importers.atco2 import read_atco2
from asr_adapt.manifest import load_data

RECORDING = "LKPR_RUZYNE_Radar_120_520MHz_20201025_091112"
SEGMENTS = (
    ("0.0", "1.5", "A", "[#callsign]Oscar Kilo Papa[/#callsign] [#command]climb[/#command]", "0"),
    ("1.6", "3.0", "B", "level one hundred [unk]", "0"),
    ("3.1", "3.9", "B", "dobry den", "1"),
    ("4.0", "5.5", "B", "wilco [#callsign]Swiss Two Three[/#callsign]", "0"),
)  # fmt: skip


def silence(path: Path, duration_s: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_flac(path, np.zeros(round(duration_s * 16_000), np.float32))


@pytest.fixture
def atco2(tmp_path: Path) -> Path:
    silence(tmp_path / f"{RECORDING}.flac", 6.0)
    rows = "".join(
        f"<segment>\n<start>{start}</start><end>{end}</end><speaker>{who}</speaker>"
        f"<speaker_label>x</speaker_label><text>{text}</text><tags><correct_transcript>1"
        f"</correct_transcript><non_english>{foreign}</non_english></tags></segment>\n"
        for start, end, who, text, foreign in SEGMENTS
    )
    (tmp_path / f"{RECORDING}.xml").write_text(f'<?xml version="1.0"?>\n<data>{rows}</data>\n')
    (tmp_path / f"{RECORDING}.info").write_text(
        "airport: LKPR\nwaypoints nearby: BEKVI\ncallsigns nearby:\n"
        "BLA131 : All Charter One Three One\nSWR23 : Swiss Two Three\n"
    )
    return tmp_path


def test_segments_of_atco2_come_with_the_call_signs_on_the_radar(atco2: Path) -> None:
    data = load_data(atco2)
    assert data.format_name == "ATCO2"
    assert [u.reference for u in data.utterances] == [
        "Oscar Kilo Papa climb",
        "wilco Swiss Two Three",
    ]
    first = data.utterances[0]
    assert (first.start_s, first.duration_s) == (0.0, 1.5)
    assert first.speaker == f"{RECORDING}-A"
    assert first.recording_id == RECORDING
    told = ("All Charter One Three One", "Swiss Two Three", "Oscar Kilo Papa")
    assert {u.context for u in data.utterances} == {told}


def test_what_cannot_be_used_of_atco2_is_named(atco2: Path) -> None:
    reasons = [str(row) for row in load_data(atco2).skipped]
    assert len(reasons) == 2
    assert "make out" in reasons[0]
    assert "not English" in reasons[1]


def test_a_recording_without_its_sound_is_named(atco2: Path) -> None:
    (atco2 / f"{RECORDING}.flac").unlink()
    (file,) = read_atco2(atco2)
    assert not file.rows
    assert "no sound file" in file.skipped[0].reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<data><segment></data>", "not XML"),
        ("<data></data>", "no segments"),
        ('<!DOCTYPE d [<!ENTITY a "b">]><data><segment/></data>', "document type"),
    ],
)
def test_damaged_xml_is_refused(atco2: Path, text: str, why: str) -> None:
    (atco2 / f"{RECORDING}.xml").write_text(text)
    with pytest.raises(ManifestError, match=why):
        load_data(atco2)


@pytest.fixture
def atcosim(tmp_path: Path) -> Path:
    texts = {
        "sm1_01_001": "~k ~l ~m six two one contact @Rhein [HNOISE] bye",
        "sm1_01_002": "<OT>okay</OT> lufthansa four five climb flight level th= three four zero",
        "sm1_01_003": "<FL> </FL> danke",
        "sm1_01_004": "[EMPTY]",
        "sm1_01_005": "turn [UNKNOWN]",
    }
    for name, text in texts.items():
        place = Path("sm1") / "sm1_01" / name
        silence((tmp_path / "WAVdata" / place).with_suffix(".wav"), 1.0)
        label = (tmp_path / "TXTdata" / place).with_suffix(".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(text + "\n")
    silence(tmp_path / "WAVdata/zf1/zf1_01/zf1_01_001.wav", 1.0)
    return tmp_path


def test_atcosim_is_read_by_speaker_and_what_is_left_out_is_named(atcosim: Path) -> None:
    data = load_data(atcosim)
    assert data.format_name == "ATCOSIM"
    assert {u.utterance_id: u.reference for u in data.utterances} == {
        "sm1_01_001": "k l m six two one contact Rhein bye",
        "sm1_01_002": "okay lufthansa four five climb flight level th three four zero",
    }
    assert {u.speaker for u in data.utterances} == {"sm1"}
    reasons = [str(row) for row in data.skipped]
    assert len(reasons) == 4
    for why in ("another language", "no words", "make out", "words are missing"):
        assert sum(why in reason for reason in reasons) == 1
