"""The data files of Beneath a Steel Sky: which recording says what.

Reads ``sky.dnr`` and ``sky.dsk`` as Debian ships them: an index of numbered files, recordings that
are packed one by one, and sections of texts. The layout, and the codes that the texts are written
in, are as ScummVM's reader of the game describes them (github.com/scummvm/scummvm, engines/sky);
all numbers are little-endian. Refuses a file that is cut short or different.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import propack

from asr_adapt.errors import DataError

SAMPLE_RATE_HZ = 11025

_ENTRY = 8  # bytes of the index: number, place, size
_SPEECH_HEADER = 22  # bytes before what is packed
_FIRST_SPEECH, _FIRST_TEXT = 50000, 60600
_SECTIONS = ((0, 553), (600, 488), (1100, 1303), (2430, 922), (3380, 1140), (4530, 531))
"""Of each section of texts, the recording of its first text, and how many texts it has."""
_BLOCK = 32  # texts whose places are counted together

_LEAVES = (
    "3 4e4a5o5s5t5n5.5i4r6\0"
    "6E5u5m5A6l6I6d6R6N6S5T7O7h6c6D6g7L7C7p7U7!7y6M8P8v7H7?7b8'8f7,7G7B"
    "9V9k8F8q8w9K9-8W8J8*9z9Y9j9+aQa·9)aZa·9<b·b·a·a·a:b·b]a#bxbXa·c·c`b2c0c·b1c/c(b=b·b^c3c9c·c4"
)
"""The characters of the texts in the order of their codes, each after the length of its code in
bits; a dot where no English text has the character, and the end of a text as zero."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The data file in memory, and where each numbered file lies in it."""

    path: Path
    data: bytes
    places: Mapping[int, tuple[int, int]]

    def read(self, number: int) -> bytes:
        """Return the bytes of one file; DataError where there is none."""
        if number not in self.places:
            raise DataError(f"{self.path}: no file {number} inside; is it another edition?")
        start, size = self.places[number]
        return self.data[start : start + size]


def read_archive(folder: Path) -> Archive:
    """Read the data file in a folder and its index.

    Raises:
        DataError: one cannot be read, is cut short or is not what it should be.
    """
    index_path, path = folder / "sky.dnr", folder / "sky.dsk"
    try:
        index, data = index_path.read_bytes(), path.read_bytes()
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None
    count = int.from_bytes(index[:4], "little")
    if len(index) != 4 + count * _ENTRY or not count:
        raise DataError(f"{index_path}: not an index of {count} files; is it cut short?")
    places = {}
    for number, low, middle, high in struct.iter_unpack("<HHHH", index[4:]):
        start, size = _place(low, middle, high)
        if start + size > len(data):
            raise DataError(f"{path}: file {number} lies beyond its end; is it cut short?")
        places[number] = (start, size)
    return Archive(path, data, places)


def _place(low: int, middle: int, high: int) -> tuple[int, int]:
    """Return start and size: 24 bits for each, with flags at their upper end."""
    start = low | (middle & 0x7F) << 16
    size = middle >> 8 | (high & 0x3FFF) << 8
    return start * 16 if middle & 0x80 else start, size


def count_samples(archive: Archive, number: int) -> int:
    """Return how many samples a recording has, without unpacking it.

    Raises:
        DataError: there is none of that number, or it is not one.
    """
    try:
        header = propack.parse_header(archive.read(number)[_SPEECH_HEADER:])
    except ValueError as error:
        raise DataError(f"{archive.path}: recording {number}: {error}") from None
    return int(header.unpacked_size)


def read_samples(archive: Archive, number: int) -> bytes:
    """Return a recording as unsigned bytes at `SAMPLE_RATE_HZ`.

    Raises:
        DataError: there is none of that number, or it cannot be unpacked.
    """
    try:
        return bytes(propack.unpack(archive.read(number)[_SPEECH_HEADER:]))
    except ValueError as error:
        raise DataError(f"{archive.path}: recording {number}: {error}") from None


def read_texts(archive: Archive) -> dict[int, str]:
    """Return what is said in each recording that has a text, by its number.

    Raises:
        DataError: a section of texts is missing or not laid out as expected.
    """
    texts = {}
    for section, (first, count) in enumerate(_SECTIONS):
        packed = archive.read(_FIRST_TEXT + section)
        for number in range(count):
            recording = _FIRST_SPEECH + first + number
            if recording in archive.places:
                try:
                    texts[recording] = _text(packed, number)
                except IndexError:
                    raise DataError(
                        f"{archive.path}: texts {section} end before text {number}"
                    ) from None
    return texts


def _text(packed: bytes, number: int) -> str:
    """Read one text of a section; a place is counted in pairs of bits."""

    def word(place: int) -> int:
        return packed[place] | packed[place + 1] << 8

    block, before = divmod(number, _BLOCK)
    pairs = sum(word(4 + 2 * index) for index in range(block))
    lengths_at = word(0) + block * _BLOCK
    for length in packed[lengths_at : lengths_at + before]:
        pairs += (length & 0x7F) << 3 if length & 0x80 else length
    return "".join(_characters(packed, 8 * word(2) + 2 * pairs))


def _characters(packed: bytes, bit: int) -> Iterator[str]:
    code = ""
    while True:
        code += str(packed[bit // 8] >> (7 - bit % 8) & 1)
        bit += 1
        if character := CODES.get(code):
            if character == "\0":
                return
            yield character
            code = ""


def _read_codes(leaves: str) -> dict[str, str]:
    """Return the character of each code: the codes of leaves in order count upwards."""
    codes, value, last = {}, 0, 0
    for length, character in zip((int(n, 16) for n in leaves[::2]), leaves[1::2], strict=True):
        value = value << (length - last) if length > last else value >> (last - length)
        codes[f"{value:0{length}b}"] = character
        value, last = value + 1, length
    return codes


CODES: Mapping[str, str] = _read_codes(_LEAVES)
"""Character by code, of bits from the first to the last; the empty character ends a text."""
