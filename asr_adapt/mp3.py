"""How long an mp3 is when its header does not say so, and quiet for its decoder.

libsndfile guesses the length of such a file from the bit rate of its first frame and reads no
further than that: of 20 s with a variable bit rate it silently read 8.5. Here the frames are
counted. Layout of the headers: ISO/IEC 11172-3 and 13818-3, 2.4.2.3; version 2.5 and the Xing
header as in http://www.mp3-tech.org/programmer/frame_header.html
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

_KBIT_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")
HEAD_BYTES = 65_536
"""So much behind the tag is looked at first: the mark of the length stands in the first frame."""
KEPT_COUNTS = 4096
"""So many files are counted once; a table cuts many segments out of one recording."""
STANDARD_ERROR = 2
"""Its descriptor: the decoder is no Python and knows nothing of ``sys.stderr``."""
_DECODER_SAYS = re.compile(
    rb"^\n?(?:\[src/libmpg123/|Warning: (?:Xing stream|Encountered more|Big change|Real sample)"
    rb"|Note: (?:Illegal Audio-MPEG|Trying to resync|Skipped|Junk|Hit end))[^\n]*\n",
    re.MULTILINE,
)
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Take out what libmpg123 writes on standard error meanwhile; all else is passed on after.

    It complains of every frame that begins in one before the place it was sent to. That is the
    run-up of a segment, which is thrown away, and what is really missing is found by counting
    samples; libsndfile has no way to tell it so.
    """
    with _ONE_AT_A_TIME:
        try:
            real = os.dup(STANDARD_ERROR)
        except OSError:  # closed, as of a daemon: nobody is disturbed
            yield
            return
        try:
            with tempfile.TemporaryFile() as said:
                os.dup2(said.fileno(), STANDARD_ERROR)
                try:
                    yield
                finally:
                    os.dup2(real, STANDARD_ERROR)
                    said.seek(0)
                    _pass_on(_DECODER_SAYS.sub(b"", said.read()))
        finally:
            os.close(real)


def _pass_on(text: bytes) -> None:
    """Write what others said to standard error."""
    while text:
        text = text[os.write(STANDARD_ERROR, text) :]


def count_samples(path: Path) -> int | None:
    """Count the samples per channel of an mp3 (MPEG audio layer III) by walking its frames.

    Returns:
        The count; None where the file says its length itself, or holds no frame.
    """
    status = path.stat()
    return _count_once(path, status.st_size, status.st_mtime_ns)


@lru_cache(KEPT_COUNTS)
def _count_once(path: Path, _size: int, _mtime_ns: int) -> int | None:
    """Count the samples of a file; size and time make it another file once it has changed."""
    with path.open("rb") as file:
        file.seek(_after_tag(file.read(10)))
        head = file.read(HEAD_BYTES)
    if _says_its_length(head, _next_frame(head, 0)):
        return None
    data = path.read_bytes()
    first = _next_frame(data, _after_tag(data))
    return None if _says_its_length(data, first) else _count_from(data, first)


def _says_its_length(data: bytes, first: int | None) -> bool:
    """Say whether the frame at ``first`` holds a mark of the length instead of sound."""
    if first is None:
        return False
    size, _ = _frame(data, first) or (0, 0)
    # The mark stands after the side information, whose size depends on version and channels.
    return any(mark in data[first : first + min(size, 64)] for mark in _LENGTH_MARKS)


def _count_from(data: bytes, position: int | None) -> int | None:
    total = 0
    while position is not None and (frame := _frame(data, position)) is not None:
        size, samples = frame
        if position + size > len(data):
            break
        total += samples
        position = _next_frame(data, position + size)
    return total or None


def _after_tag(data: bytes) -> int:
    """Where the sound starts behind an ID3v2 tag, whose size has 7 bits per byte."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _next_frame(data: bytes, start: int) -> int | None:
    """Find the next frame header at or after ``start``."""
    position = start
    while (position := data.find(b"\xff", position)) >= 0:
        if _frame(data, position) is not None:
            return position
        position += 1
    return None


def _frame(data: bytes, position: int) -> tuple[int, int] | None:
    """Read a frame header: the bytes of the frame and its samples; None if it is none."""
    if position + 4 > len(data):
        return None
    _, second, third, _ = data[position : position + 4]
    version, layer = second >> 3 & 3, second >> 1 & 3
    rate_index, bit_index = third >> 2 & 3, third >> 4
    is_sync = second & 0xE0 == 0xE0
    if not is_sync or version == 1 or layer != 1 or rate_index == 3 or bit_index in (0, 15):
        return None
    kbit = (_KBIT_V1 if version == 3 else _KBIT_V2)[bit_index]
    samples = 1152 if version == 3 else 576
    size = samples // 8 * kbit * 1000 // _RATES_HZ[version][rate_index] + (third >> 1 & 1)
    return size, samples
