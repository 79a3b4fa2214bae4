"""What works on this machine, what does not, and what to do about it.

`asr-adapt doctor` prints what `diagnose` finds. Reads package metadata, tries the imports that the
commands need and looks at processor, disk and caches; changes nothing and asks no network.
A check that itself breaks becomes a finding: the doctor is called when things are broken.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from asr_adapt.doctor_tools import APT_PROGRAMS, check_codec2, check_harmful, check_voice_activity
from asr_adapt.findings import Finding

NEEDED_IMPORTS = {
    "torch": "torch",
    "torchaudio": "torchaudio",
    # transformers itself loads almost nothing; its model does, and falls over a broken torchvision.
    "transformers": "transformers.models.whisper.modeling_whisper",
    "peft": "peft",
    "datasets": "datasets",
    # librosa loads its parts when they are used; this one needs numba.
    "librosa": "librosa.core.spectrum",
    "soundfile": "soundfile",
}
"""Module by package, imported for real: with compiled parts, being installed is not enough."""

OPTIONAL_BACK_ENDS = ("ctranslate2", "faster-whisper")
EXTRAS = {
    "offline": "Whisper weights without a hub",
    "voices": "recipes that generate speech",
    "export": "export --to ct2, and comparing with what reads ct2 and ggml",
    "report-to": "--report-to tensorboard, --log-to tensorboard",
    "wandb": "--log-to wandb",
    "mlflow": "--log-to mlflow",
}
WANTED_FORMATS = ("WAV", "FLAC", "OGG", "MP3")
LITTLE_DISK_GB, TOO_LITTLE_DISK_GB = 3.0, 0.5  # whisper-base converted 0.15, checkpoints, audio


def diagnose() -> list[Finding]:
    """Look at everything; never raises."""
    return [finding for area, check in CHECKS for finding in _guarded(area, check)]


def _guarded(area: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(check())
    except Exception as error:  # whatever a broken installation throws
        return [Finding(area, "warning", f"could not be checked: {_one_line(error)}")]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _import(name: str) -> ModuleType | str:
    """Return a module, or why it does not load; a mismatched pair raises more than ImportError."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        return _one_line(error)


def _module(name: str) -> ModuleType:
    loaded = _import(name)
    if isinstance(loaded, str):
        raise RuntimeError(f"{name} does not load")
    return loaded


# --- Python and packages ------------------------------------------------------------------------


def check_python() -> Iterator[Finding]:
    """Compare the interpreter with what the package asks for."""
    from packaging.specifiers import SpecifierSet

    wanted = importlib.metadata.metadata("asr-adapt")["Requires-Python"] or ""
    found = platform.python_version()
    if SpecifierSet(wanted).contains(found, prereleases=True):
        yield Finding("python", "ok", found)
    else:
        yield Finding("python", "problem", f"{found}, needs {wanted}", "make a new environment")


def check_versions() -> Iterator[Finding]:
    """Compare every installed dependency with the range that the package declares."""
    from packaging.requirements import Requirement

    good: list[str] = []
    for line in importlib.metadata.requires("asr-adapt") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = _version(wanted.name)
        if found and wanted.specifier.contains(found, prereleases=True):
            good.append(f"{wanted.name} {found}")
        else:
            what = f"{wanted.name} {found or 'is not installed'}, needs {wanted.specifier}"
            advice = f"pip install '{wanted.name}{wanted.specifier}'"
            yield Finding("packages", "problem", what, advice)
    yield Finding("packages", "ok", ", ".join(good))


def check_imports() -> Iterator[Finding]:
    """Load the packages that commands need."""
    loaded: list[str] = []
    for name, module in NEEDED_IMPORTS.items():
        result = _import(module)
        if isinstance(result, str):
            yield Finding("imports", "problem", f"{name} does not load ({result})", _mend(name))
        else:
            loaded.append(name)
    if loaded:
        yield Finding("imports", "ok", ", ".join(loaded))
    yield from check_torch_pair()
    yield _torchcodec()


def _mend(name: str) -> str:
    if name in ("torch", "torchaudio"):
        return "torch and torchaudio must be of one release: " + _pair_command()
    if name == "soundfile":
        return "pip install --force-reinstall soundfile (its wheel brings libsndfile)"
    return f"pip install --force-reinstall {name}"


def _pair_command() -> str:
    return "pip install 'torch==2.11.*' 'torchaudio==2.11.*'"


def check_torch_pair() -> Iterator[Finding]:
    """Warn of a torch and a torchaudio from different releases, before they fail to load."""
    torch, torchaudio = _version("torch"), _version("torchaudio")
    if torch and torchaudio and torch.split(".")[:2] != torchaudio.split(".")[:2]:
        what = f"torch {torch} and torchaudio {torchaudio} do not belong together"
        yield Finding("imports", "problem", what, _pair_command())


def _torchcodec() -> Finding:
    version = _version("torchcodec")
    if version is None:
        return Finding("torchcodec", "ok", "not installed; not needed, soundfile reads the audio")
    if isinstance(_import("torchcodec"), str):
        what = f"{version} does not load; not needed, soundfile reads the audio"
        return Finding("torchcodec", "ok", what)
    return Finding("torchcodec", "ok", f"{version} (not used, soundfile reads the audio)")


def check_extras() -> Iterator[Finding]:
    """Say which optional parts are installed."""
    from packaging.requirements import Requirement

    declared = [Requirement(line) for line in importlib.metadata.requires("asr-adapt") or []]
    for extra, purpose in EXTRAS.items():
        wanted = [
            requirement.name
            for requirement in declared
            if requirement.marker
            and requirement.marker.evaluate({"extra": extra})
            and not requirement.marker.evaluate({"extra": ""})
        ]
        missing = [name for name in wanted if _version(name) is None]
        if missing:
            what = f"{extra}: without {', '.join(missing)} ({purpose})"
            yield Finding("extras", "ok", what, f"if wanted: pip install 'asr-adapt[{extra}]'")
        else:
            yield Finding("extras", "ok", f"{extra}: installed ({purpose})")


# --- weights and decoding -----------------------------------------------------------------------


def check_weights() -> Iterator[Finding]:
    """List the Whispers that can be used without a network."""
    from huggingface_hub import constants

    from asr_adapt.base_weights.weights import INSTALL_HINT, installed_packages

    packages = installed_packages()
    cache = Path(constants.HF_HUB_CACHE)
    cached = sorted(
        folder.name.removeprefix("models--").replace("--", "/")
        for folder in cache.glob("models--*")
        if "whisper" in folder.name.lower()
    )
    if packages:
        yield Finding("weights", "ok", f"installed as packages: {', '.join(packages)}")
    if cached:
        yield Finding("weights", "ok", f"in the hub cache {cache}: {', '.join(cached)}")
    if packages or cached:
        return
    advice = f"{INSTALL_HINT}, or --model with a directory of transformers or faster-whisper"
    if constants.HF_HUB_OFFLINE:
        yield Finding("weights", "problem", "none here, and HF_HUB_OFFLINE is set", advice)
    else:
        yield Finding("weights", "warning", "none here; the hub will be asked", advice)


def check_back_ends() -> Iterator[Finding]:
    """Name what can decode."""
    version = _version("transformers")
    if version:
        yield Finding("decoding", "ok", f"transformers {version}")
    others = [f"{name} {v}" for name in OPTIONAL_BACK_ENDS if (v := _version(name))]
    yield Finding("decoding", "ok", f"to check exports with: {', '.join(others) or 'nothing'}")


# --- the machine --------------------------------------------------------------------------------


def usable_cores() -> float:
    """Return the cores this process may use: affinity, and the quota of its control group.

    Source of the quota's format: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max).
    """
    cores = float(os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        cores = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no control groups, or "max": no quota
        pass
    return cores


def check_threads() -> Iterator[Finding]:
    """Compare the threads that torch takes with the cores there are."""
    cores, threads = usable_cores(), int(_module("torch").get_num_threads())
    what = f"{threads} threads on {cores:g} cores"
    if threads > cores + 0.5:
        yield Finding("threads", "warning", what, f"export OMP_NUM_THREADS={max(1, int(cores))}")
    elif threads < cores - 0.5 and "OMP_NUM_THREADS" in os.environ:
        setting = os.environ["OMP_NUM_THREADS"]
        yield Finding("threads", "warning", what, f"OMP_NUM_THREADS={setting} leaves cores idle")
    else:
        yield Finding("threads", "ok", what)


def check_device() -> Iterator[Finding]:
    """Say which device computes, and in which precision."""
    torch = _module("torch")
    if torch.cuda.is_available():
        memory_gb = torch.cuda.get_device_properties(0).total_memory / 1e9
        precision = "bf16" if torch.cuda.is_bf16_supported() else "fp32 (no bf16)"
        name = torch.cuda.get_device_name(0)
        yield Finding("device", "ok", f"{name}, {memory_gb:.0f} GB, {precision}")
        return
    if Path("/dev/nvidia0").exists():
        what = f"there is a GPU but torch {torch.__version__} cannot use it; the CPU computes"
        yield Finding("device", "warning", what, "update the NVIDIA driver to one for CUDA 13")
    else:
        # Not at the top: it takes seconds, and other checks have to work where it is broken.
        from asr_adapt.model import computes_bfloat16

        precision = "bf16" if computes_bfloat16(torch.device("cpu")) else "fp32"
        yield Finding("device", "ok", f"CPU, {precision}; training takes minutes to hours")


def check_soundfile() -> Iterator[Finding]:
    """Check that the usual audio formats can be read."""
    soundfile = _module("soundfile")
    formats = soundfile.available_formats()
    missing = [name for name in WANTED_FORMATS if name not in formats]
    library = soundfile.__libsndfile_version__
    if missing:
        what = f"libsndfile {library} reads no {', '.join(missing)}"
        yield Finding("audio", "warning", what, "pip install --force-reinstall soundfile")
    else:
        what = f"libsndfile {library}: {', '.join(WANTED_FORMATS)}; convert m4a and webm first"
        yield Finding("audio", "ok", what)


def check_apt() -> Iterator[Finding]:
    """Check the programs that fetch the recipes' Debian packages."""
    missing = [name for name in APT_PROGRAMS if shutil.which(name) is None]
    if missing:
        what = f"no {', '.join(missing)}: recipes cannot fetch speech from Debian"
        yield Finding("apt", "warning", what, "prepare recipes on Debian or Ubuntu (or in Docker)")
    else:
        yield Finding("apt", "ok", "recipes can fetch speech from Debian, without root")


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def check_cache() -> Iterator[Finding]:
    """Check that converted weights can be kept, and that those kept are whole."""
    from asr_adapt.base_weights.weight_cache import cache_root, is_whole

    root = cache_root().absolute()
    place = _existing(root)
    if not (place.is_dir() and os.access(place, os.W_OK)):
        advice = "set ASR_ADAPT_CACHE to a folder that can be written"
        yield Finding("cache", "problem", f"{root} cannot be written", advice)
        return
    kept = sorted(p for p in root.glob("weights/*") if p.is_dir() and p.suffix != ".part")
    damaged = [folder.name for folder in kept if not is_whole(folder)]
    if damaged:
        what = f"{root}: damaged: {', '.join(damaged)}"
        yield Finding("cache", "warning", what, "nothing: they are made again when needed")
    else:
        yield Finding("cache", "ok", f"{root}: {len(kept)} converted sets of weights")


def check_disk() -> Iterator[Finding]:
    """Check the free space where weights are kept and where runs are written."""
    from asr_adapt.base_weights.weight_cache import cache_root

    for purpose, path in (("cache", _existing(cache_root().absolute())), ("here", Path.cwd())):
        free_gb = shutil.disk_usage(path).free / 1e9
        what = f"{free_gb:.1f} GB free ({purpose}: {path})"
        if free_gb < TOO_LITTLE_DISK_GB:
            yield Finding("disk", "problem", what, "free some space; checkpoints need it")
        elif free_gb < LITTLE_DISK_GB:
            yield Finding("disk", "warning", what, "enough for a small model, not for a recipe")
        else:
            yield Finding("disk", "ok", what)


CHECKS: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
    ("python", check_python),
    ("packages", check_versions),
    ("imports", check_imports),
    ("weights", check_weights),
    ("decoding", check_back_ends),
    ("device", check_device),
    ("threads", check_threads),
    ("audio", check_soundfile),
    ("voice", check_voice_activity),
    ("codec2", check_codec2),
    ("cache", check_cache),
    ("disk", check_disk),
    ("apt", check_apt),
    ("extras", check_extras),
    ("releases", check_harmful),
)
"""The checks in the order they are shown."""
