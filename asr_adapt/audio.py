"""Sound files in, mono float32 at 16 kHz out.

Reads one segment of a wav, flac, mp3, ogg or aiff file through libsndfile. It refuses what that
library lets through: truncated files, NaN, nothing at all, and channels that cancel in the mix.
Everything that looks at sound comes through here, so a file is either good everywhere or nowhere.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from asr_adapt import mp3
from asr_adapt.errors import AudioError
from asr_adapt.records import Utterance

Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
"""What Whisper's features are computed from (Radford et al. 2022, arXiv 2212.04356, 2.2)."""
MAX_UTTERANCE_S = 30.0
"""What Whisper's encoder hears at once (same section)."""
MAX_READ_S = 3600.0
"""The longest stretch read in one go: an hour in stereo at 48 kHz is 1.4 GB."""
END_SLACK_S = 0.05
"""How far a segment may reach past the end of its file: tables round their times."""
HEADER_SLACK_BYTES = 64
"""Some programs write the size of the file, headers included, as the size of its samples."""
UNKNOWN_SIZES = frozenset({0x7FFFFFFF, 0x7FFFF000, 0x7FFFFFDB, 0x80000000, 0xFFFFFFFF})
"""Data sizes that programs write when they stream and cannot know the size (sox, ffmpeg)."""
MP3_LEAD_FRAMES = 2304
"""An mp3 frame needs the one before it (overlap, bit reservoir): two are read ahead of a segment,
after which a segment equals the same stretch of the whole file to 1e-7."""
CANCELLED_RATIO = 0.01
"""A mix with 20 dB less power than independent channels would give has cancelled itself."""

LongPolicy = Literal["error", "skip", "split"]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the header of a sound file says, checked against the file."""

    duration_s: float
    rate_hz: int
    channels: int


def probe_audio(path: Path, utterance_id: str | None = None) -> AudioInfo:
    """Read the header of a sound file and make sure that the file holds what it promises.

    Raises:
        AudioError: the file is missing, no sound file, empty or truncated.
    """
    with _open(path, utterance_id) as sound:
        frames = _count_frames(sound, path, utterance_id)
        _check_last_frame(sound, frames, path, utterance_id)
        return AudioInfo(frames / sound.samplerate, sound.samplerate, sound.channels)


def load_audio(
    path: Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    utterance_id: str | None = None,
) -> Samples:
    """Read a segment as mono float32 at 16 kHz, shape ``(samples,)``.

    Args:
        path: the sound file.
        start_s: where the segment starts.
        duration_s: its length; None reads to the end of the file.
        utterance_id: named in errors.

    Raises:
        AudioError: the file or the segment cannot be used.
    """
    channels, rate_hz = read_channels(path, start_s, duration_s, utterance_id)
    mono = _mix(channels, path, utterance_id)
    if rate_hz == SAMPLE_RATE_HZ:
        return mono
    # soxr's "HQ" recipe keeps 0-0.91 of the band and is linear in phase: soxr.readthedocs.io
    resampled: Samples = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    return resampled


def load_utterance(utterance: Utterance) -> Samples:
    """Read the sound of an utterance as mono float32 at 16 kHz, shape ``(samples,)``."""
    return load_audio(
        utterance.audio_path, utterance.start_s, utterance.duration_s, utterance.utterance_id
    )


def write_flac(path: Path, samples: Samples) -> None:
    """Write mono speech at 16 kHz as 16-bit FLAC, whole or not at all.

    Args:
        path: the file; its folder is made.
        samples: float32, shape (samples,), clipped to [-1, 1].
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    encoded = BytesIO()  # libsndfile does not say why it could not write, as when a disk is full
    soundfile.write(encoded, np.clip(samples, -1, 1), SAMPLE_RATE_HZ, "PCM_16", format="FLAC")
    part.write_bytes(encoded.getbuffer())
    part.replace(path)


def read_channels(
    path: Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    utterance_id: str | None = None,
) -> tuple[Samples, int]:
    """Read a segment as it is stored: samples of shape ``(frames, channels)`` and the rate in Hz.

    Raises:
        AudioError: the file or the segment cannot be used.
    """
    with _open(path, utterance_id) as sound:
        first, frames = _segment(sound, start_s, duration_s, path, utterance_id)
        lead = min(first, MP3_LEAD_FRAMES if sound.format == "MP3" else 0)
        try:
            with _quiet(sound.format):
                sound.seek(first - lead)
                read: Samples = sound.read(lead + frames, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as problem:
            reason = f"damaged or truncated: it cannot be read from {start_s:g} s on"
            raise AudioError(path, reason, utterance_id) from problem
        rate_hz: int = sound.samplerate
    samples = read[lead:]
    if len(samples) < frames - _slack_frames(rate_hz):
        missing = f"{len(samples) / rate_hz:.2f} s of {frames / rate_hz:.2f} s"
        raise AudioError(path, f"truncated: only {missing} can be read", utterance_id)
    if not np.isfinite(samples).all():
        raise AudioError(path, "holds NaN or infinite samples", utterance_id)
    return samples, rate_hz


def _open(path: Path, utterance_id: str | None) -> soundfile.SoundFile:
    """Open a sound file; the header has been checked against the size of the file."""
    try:
        status = path.stat()
    except (OSError, ValueError) as problem:
        reason = "no such file" if isinstance(problem, FileNotFoundError) else str(problem)
        raise AudioError(path, reason, utterance_id) from problem
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "is not an ordinary file", utterance_id)
    if status.st_size == 0:
        raise AudioError(path, "is empty (0 bytes)", utterance_id)
    try:
        with _quiet(path.suffix[1:]):
            sound = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, TypeError) as problem:
        reason = "is not a sound file that libsndfile reads (wav, flac, mp3, ogg, aiff), or broken"
        raise AudioError(path, reason, utterance_id) from problem
    try:
        _check_header(sound, path, utterance_id)
    except AudioError:
        sound.close()
        raise
    return sound


def _quiet(kind: str) -> AbstractContextManager[None]:
    """Return what keeps a decoder from talking; only that of mp3 files does."""
    return mp3.quiet_decoder() if kind.upper() == "MP3" else nullcontext()


def _check_header(sound: soundfile.SoundFile, path: Path, utterance_id: str | None) -> None:
    """Refuse files whose header and size disagree; libsndfile notes it in its log and goes on."""
    log = sound.extra_info
    for promised, there in re.findall(r"(?:data|SSND|Size)\s*: (\d+) \(should be (\d+)\)", log):
        if int(promised) not in UNKNOWN_SIZES and int(promised) > int(there) + HEADER_SLACK_BYTES:
            reason = f"truncated: {there} bytes of samples where its header promises {promised}"
            raise AudioError(path, reason, utterance_id)
    if "File ended unexpectedly" in log or "Junk after the last page" in log:
        raise AudioError(path, "truncated: the Ogg stream has no end", utterance_id)
    if sound.frames <= 0:
        raise AudioError(path, "holds no samples", utterance_id)


def _count_frames(sound: soundfile.SoundFile, path: Path, utterance_id: str | None) -> int:
    """Return the length in frames; libsndfile only guesses that of an mp3 without a header."""
    frames: int = sound.frames
    counted = mp3.count_samples(path) if sound.format == "MP3" else None
    if counted is None:
        return frames
    if counted > frames + max(_slack_frames(sound.samplerate), 2 * MP3_LEAD_FRAMES):
        reason = "an mp3 of variable bit rate that does not say how long it is: convert it to flac"
        raise AudioError(path, reason, utterance_id)
    return min(frames, counted)


def _check_last_frame(
    sound: soundfile.SoundFile, frames: int, path: Path, utterance_id: str | None
) -> None:
    """Refuse compressed files whose last frames are missing."""
    last = max(0, frames - 1 - _slack_frames(sound.samplerate))
    # A decoder that starts in the middle of an mp3 complains on stderr: give it a run-up.
    lead = min(last, MP3_LEAD_FRAMES if sound.format == "MP3" else 0)
    try:
        with _quiet(sound.format):
            sound.seek(last - lead)
            there = len(sound.read(lead + 1)) == lead + 1
    except (soundfile.LibsndfileError, RuntimeError):
        there = False
    if not there:
        reason = f"truncated: its header promises {frames / sound.samplerate:.2f} s"
        raise AudioError(path, reason, utterance_id)


def _slack_frames(rate_hz: int) -> int:
    """Frames that may be missing: the length of an mp3 without a length header is estimated."""
    return int(END_SLACK_S * rate_hz)


def _segment(
    sound: soundfile.SoundFile,
    start_s: float,
    duration_s: float | None,
    path: Path,
    utterance_id: str | None,
) -> tuple[int, int]:
    """Return the first frame and the number of frames of a segment."""
    total_frames = _count_frames(sound, path, utterance_id)
    total_s = total_frames / sound.samplerate
    reason = segment_problem(total_s, start_s, duration_s)
    if reason is None and (total_s - start_s if duration_s is None else duration_s) > MAX_READ_S:
        reason = f"longer than {MAX_READ_S:g} s in one piece: give start and duration"
    if reason is not None:
        raise AudioError(path, reason, utterance_id)
    first = round(start_s * sound.samplerate)
    rest = total_frames - first
    wanted = rest if duration_s is None else round(duration_s * sound.samplerate)
    return first, min(max(wanted, 1), rest)


def segment_problem(total_s: float, start_s: float, duration_s: float | None) -> str | None:
    """Say why a segment does not lie in a file of ``total_s`` seconds; None if it does."""
    if not 0 <= start_s < total_s:
        return f"segment starts at {start_s:g} s, the file lasts {total_s:.2f} s"
    if duration_s is None:
        return None
    if not duration_s > 0:
        return f"segment lasts {duration_s:g} s"
    if start_s + duration_s > total_s + END_SLACK_S:
        return f"segment ends at {start_s + duration_s:.2f} s, the file lasts {total_s:.2f} s"
    return None


def _mix(channels: Samples, path: Path, utterance_id: str | None) -> Samples:
    """Average the channels; refuse channels in opposite phase, which would average to silence."""
    if channels.shape[1] == 1:
        return np.ascontiguousarray(channels[:, 0])
    mono: Samples = channels.mean(axis=1, dtype=np.float32)
    # Independent channels of powers P_i average to the power sum(P_i) / n^2.
    independent = float(np.square(channels, dtype=np.float64).mean(axis=0).sum())
    independent /= channels.shape[1] ** 2
    if float(np.square(mono, dtype=np.float64).mean()) < CANCELLED_RATIO * independent:
        reason = "its channels cancel each other (opposite phase): save one of them as mono"
        raise AudioError(path, reason, utterance_id)
    return mono


def estimate_snr_db(samples: Samples, rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Estimate the signal-to-noise ratio of speech from its loud and its quiet frames, in dB.

    The noise is the 10th percentile of the energy of 20 ms frames, the signal what the 95th has
    on top of it: the idea of minimum statistics (Martin 2001, IEEE Trans. SAP 9(5),
    doi 10.1109/89.928915) and of the STNR of NIST's SPQA tools, both without their models.
    It orders clips by how noisy they are; it is no calibrated measurement, and a clip without
    pauses looks noisier than it is.

    Args:
        samples: mono, shape ``(samples,)``.
        rate_hz: their rate.

    Returns:
        Decibels between -10 and 60; -10 for silence.
    """
    energy = frame_energy(samples, int(0.02 * rate_hz))
    noise, loud = np.percentile(energy, (10, 95)) if energy.size else (0.0, 0.0)
    if loud <= 0:
        return -10.0
    ratio = (loud - noise) / max(noise, loud * 1e-6)
    return float(np.clip(10 * np.log10(max(ratio, 0.1)), -10.0, 60.0))


def frame_energy(samples: Samples, frame: int) -> NDArray[np.float64]:
    """Mean square of each whole frame of ``frame`` samples, shape ``(samples // frame,)``."""
    whole = len(samples) // frame * frame
    energy: NDArray[np.float64] = np.square(samples[:whole], dtype=np.float64)
    means: NDArray[np.float64] = energy.reshape(-1, frame).mean(axis=1)
    return means


def is_long(utterance: Utterance) -> bool:
    """Whether an utterance is longer than Whisper hears at once."""
    return utterance.duration_s > MAX_UTTERANCE_S + END_SLACK_S


def refuse_long(labelled: Iterable[Utterance]) -> None:
    """Refuse labelled speech that would have to be split: nothing says which words a piece has.

    Raises:
        AudioError: naming the first such utterance.
    """
    for utterance in filter(is_long, labelled):
        reason = (
            f"lasts {utterance.duration_s:.1f} s and Whisper hears {MAX_UTTERANCE_S:g} s at once, "
            "and nothing says which of its words a piece would have: cut it, or leave such ones "
            "out with --long skip"
        )
        raise AudioError(utterance.audio_path, reason, utterance.utterance_id)


def apply_long_policy(
    utterances: list[Utterance], policy: LongPolicy
) -> tuple[list[Utterance], list[Utterance]]:
    """Deal with utterances longer than Whisper hears at once.

    Args:
        utterances: of any length.
        policy: ``error`` refuses the first long one; ``skip`` leaves long ones out; ``split``
            cuts them at quiet moments into pieces of at most 30 s. Pieces have the id of their
            utterance with ``#1``, ``#2``, ... and the tag ``piece_of``, but no reference, because
            nothing says which words belong to which piece: they are for decoding, whose texts are
            joined in order before scoring.

    Returns:
        What is kept, in order, and the utterances that were skipped.

    Raises:
        AudioError: a long utterance under ``error``, an unreadable one under ``split``.
    """
    kept: list[Utterance] = []
    skipped: list[Utterance] = []
    for utterance in utterances:
        if not is_long(utterance):
            kept.append(utterance)
        elif policy == "skip":
            skipped.append(utterance)
        elif policy == "split":
            kept.extend(_pieces(utterance))
        else:
            reason = (
                f"lasts {utterance.duration_s:.1f} s, Whisper hears {MAX_UTTERANCE_S:g} s at once: "
                "cut it, or choose --long skip or --long split"
            )
            raise AudioError(utterance.audio_path, reason, utterance.utterance_id)
    return kept, skipped


def _pieces(utterance: Utterance) -> list[Utterance]:
    """Cut a long utterance at quiet moments."""
    cuts_s = quiet_cuts_s(load_utterance(utterance))
    ends_s = [*cuts_s, utterance.duration_s]
    return [
        replace(
            utterance,
            utterance_id=f"{utterance.utterance_id}#{number}",
            start_s=utterance.start_s + begin_s,
            duration_s=end_s - begin_s,
            reference=None,
            recording_id=utterance.recording,
            tags={**utterance.tags, "piece_of": utterance.utterance_id},
        )
        for number, (begin_s, end_s) in enumerate(zip([0.0, *cuts_s], ends_s, strict=True), 1)
    ]


def quiet_cuts_s(samples: Samples, longest_s: float = MAX_UTTERANCE_S) -> list[float]:
    """Choose cuts so that no piece is longer than ``longest_s``, each at the quietest moment.

    Each cut lies in the last third of what may still be one piece, in the middle of the quietest
    0.3 s there. A threshold (as in ``librosa.effects.split``) would find no pause in the steady
    noise of a radio; the quietest moment always exists.

    Args:
        samples: mono at 16 kHz, shape ``(samples,)``.
        longest_s: the longest piece allowed, in seconds.

    Returns:
        Times in seconds from the start of ``samples``, rising; empty if one piece is enough.
    """
    hop_s, pause_frames = 0.02, 15
    energy = frame_energy(samples, int(hop_s * SAMPLE_RATE_HZ))
    cuts: list[float] = []
    begin = 0
    longest = int(longest_s / hop_s)
    while len(energy) - begin > longest:
        low = begin + longest * 2 // 3
        window = energy[low : begin + longest]
        smooth = np.convolve(window, np.ones(pause_frames), mode="valid")
        begin = low + int(smooth.argmin()) + pause_frames // 2
        cuts.append(begin * hop_s)
    return cuts
