"""Beneath a Steel Sky: the index, packed recordings and texts in bits, of files made by hand."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import propack
import pytest
import soundfile

from asr_adapt.errors import DataError
from asr_adapt.sources.sky import open_sky, plain_text, read_sky, write_recordings
from asr_adapt.sources.sky_format import (
    CODES,
    SAMPLE_RATE_HZ,
    read_archive,
    read_samples,
    read_texts,
)

SECTIONS = 6
LINES = {
    0: "Hello, SON! Still here then?",
    1: "...OK.",
    31: "What NOW?",
    32: "I'M the first of a block.",
    70: "Don't worry, kid...",
}
WAVE = bytes(range(256)) * (SAMPLE_RATE_HZ // 256)


def _bits(text: str) -> str:
    code_of = {character: code for code, character in CODES.items()}
    bits = "".join(code_of[character] for character in f"{text}\0")
    return bits + "0" * (len(bits) % 2)  # a text begins at a pair of bits


def _section(texts: list[str]) -> bytes:
    """Pack texts as the game does: sizes of blocks of 32, sizes of texts, then the bits."""
    packed = [_bits(text) for text in texts]
    pairs = [len(bits) // 2 for bits in packed]
    blocks = [sum(pairs[start : start + 32]) for start in range(0, len(pairs), 32)]
    sizes = b""
    for index, size in enumerate(pairs):
        if size >= 0x80:  # such sizes are multiples of eight
            padded = -(-size // 8) * 8
            packed[index] += "0" * (2 * (padded - size))
            blocks[index // 32] += padded - size
            size = 0x80 | padded >> 3
        sizes += bytes([size])
    sizes_at = 4 + 2 * len(blocks)
    bits = "".join(packed)
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    head = struct.pack("<HH", sizes_at, sizes_at + len(sizes))
    return head + struct.pack(f"<{len(blocks)}H", *blocks) + sizes + body


def _write(folder: Path, files: dict[int, bytes]) -> Path:
    """Write the two files; every other file lies at a place that is counted in 16 bytes."""
    data, index = b"", struct.pack("<I", len(files))
    for order, (number, content) in enumerate(files.items()):
        place = len(data)
        if order % 2:
            data += b"\0" * (-len(data) % 16)
            place = len(data) // 16 | 0x800000
        data += content
        index += struct.pack("<H", number) + place.to_bytes(3, "little")
        index += (len(content) | 0x400000).to_bytes(3, "little")
    (folder / "sky.dsk").write_bytes(data)
    (folder / "sky.dnr").write_bytes(index)
    return folder


def _files() -> dict[int, bytes]:
    first = [LINES.get(number, "") for number in range(max(LINES) + 1)]
    long = "A line of more than two hundred and fifty six bits, which is counted in another way."
    files = {60600: _section(first), 60601: _section([long, "After it."])}
    files |= {60600 + number: _section([""]) for number in range(2, SECTIONS)}
    speech = b"\0" * 22 + propack.pack(WAVE, method=1)
    files |= {50000 + number: speech for number in LINES}
    return files | {50600: speech, 50601: speech, 123: b"a picture"}


@pytest.fixture
def game(tmp_path: Path) -> Path:
    folder = tmp_path / "usr" / "share"
    folder.mkdir(parents=True)
    return _write(folder, _files())


def test_every_recording_gets_its_text(game: Path) -> None:
    texts = read_texts(read_archive(game))
    assert {number - 50000: text for number, text in texts.items() if number < 50600} == LINES
    assert texts[50601] == "After it."


def test_codes_are_told_apart() -> None:
    codes = sorted(CODES)
    pairs = itertools.pairwise(codes)
    assert not any(following.startswith(code) for code, following in pairs)
    letters = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.!?'-\0")
    assert letters <= set(CODES.values())


def test_recordings_come_out_as_they_went_in(game: Path) -> None:
    assert read_samples(read_archive(game), 50031) == WAVE


def test_utterances_are_sounds_of_their_length(game: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "speech"
    archive = open_sky(tmp_path)
    lines = read_sky(archive, out, (0.5, 2.0))
    write_recordings(archive, lines, lambda *state: seen.append(state))
    assert [line.reference for line in lines][:4] == [
        "Hello, son! Still here then?",
        "Ok.",
        "What now?",
        "I'm the first of a block.",
    ]
    for line in lines:
        sound = soundfile.info(line.audio_path)
        assert (sound.samplerate, sound.frames) == (SAMPLE_RATE_HZ, len(WAVE))
        assert line.duration_s == pytest.approx(sound.duration)
        assert line.speaker is None
    assert seen[-1] == (len(lines), len(lines))
    before = [line.audio_path.stat().st_mtime_ns for line in lines]
    write_recordings(archive, lines)
    assert [line.audio_path.stat().st_mtime_ns for line in lines] == before
    assert read_sky(archive, out, (2.0, 9.0)) == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("...LONG enough to cause the CRASH.", "Long enough to cause the crash."),
        ("I'M sure `HE' did. GOOD! so... what?", "I'm sure 'he' did. Good! So... what?"),
        ("A MORE-or-less OK Plan", "A more-or-less ok Plan"),
    ],
)
def test_stress_is_not_written(written: str, said: str) -> None:
    assert plain_text(written) == said


def test_files_cut_short_are_refused(game: Path) -> None:
    data, index = (game / "sky.dsk").read_bytes(), (game / "sky.dnr").read_bytes()
    (game / "sky.dsk").write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"sky\.dsk: file 123 lies beyond its end"):
        read_archive(game)
    (game / "sky.dsk").write_bytes(data)
    for length in range(0, len(index), 5):
        (game / "sky.dnr").write_bytes(index[:length])
        with pytest.raises(DataError, match=r"sky\.dnr: not an index"):
            read_archive(game)


def test_what_is_broken_inside_is_named(game: Path) -> None:
    files = _files()
    files[50031] = files[50031][:-9] + b"\1" + files[50031][-8:]
    _write(game, files)
    with pytest.raises(DataError, match=r"recording 50031: .*CRC"):
        read_samples(read_archive(game), 50031)
    files[60600] = files[60600][:-20]
    _write(game, files)
    with pytest.raises(DataError, match="texts 0 end before text 70"):
        read_texts(read_archive(game))
    files = _files()
    del files[60605]
    _write(game, files)
    with pytest.raises(DataError, match="no file 60605"):
        read_texts(read_archive(game))


def test_no_game_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 files sky\.dsk"):
        open_sky(tmp_path)
    with pytest.raises(DataError, match=r"sky\.dnr: cannot be read"):
        read_archive(tmp_path)
