"""An adapter and its base to folders that other programs load, and the proof that they are right.

Each format gets a folder of its own below the one asked for. It is built and compared beside its
place and renamed last, so what is there is whole and right; ``export.json`` says what of.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from asr_adapt.adapter import AdapterCard, at_strength, check_base, read_card
from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.decode import Progress
from asr_adapt.environment import package_versions, require_package
from asr_adapt.errors import EnvironmentProblem, UsageError
from asr_adapt.exporting.check import Compared, compare
from asr_adapt.exporting.ct2 import convert
from asr_adapt.exporting.ggml import write_ggml
from asr_adapt.exporting.readers import lacks_reader
from asr_adapt.exporting.transformers_folder import write_folder
from asr_adapt.files import file_sha256, flush, write_json
from asr_adapt.model import SpeechModel, check_languages, load_base, pick_device, with_adapter
from asr_adapt.records import ErrorCounts, Utterance
from asr_adapt.settings import EXPORT_PRECISIONS
from asr_adapt.stopping import StopRequest
from asr_adapt.words.text import get_normaliser

RECORD_NAME = "export.json"
MOST_CHANGED = 0.1
"""A format of whose words more differ is not what was measured. What rounding does is a few in a
hundred words of noisy speech; a wrong tokenizer or layout changes nearly all."""


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What is exported.

    Attributes:
        weights: the base model.
        adapter: the adapter's folder.
        forms: formats, of `asr_adapt.settings.EXPORT_PRECISIONS`.
        precision: of the weights; None for the usual one of each format.
        strength: part of the adapter's change that is applied; None for the card's.
        clips: speech by which formats are compared with the adapter; empty for no comparison.
        normaliser: the form in which words are compared.
        device: where to compute.
        command: how it was started.
    """

    weights: ResolvedWeights
    adapter: Path
    forms: Sequence[str]
    precision: str | None = None
    strength: float | None = None
    clips: Sequence[Utterance] = ()
    normaliser: str = "spoken-en"
    device: str = "auto"
    command: Sequence[str] = ()

    def __post_init__(self) -> None:
        for form in self.forms:
            known = EXPORT_PRECISIONS.get(form)
            if known is None:
                raise UsageError(f"--to {form}: unknown; known are {', '.join(EXPORT_PRECISIONS)}")
            if self.precision is not None and self.precision not in known:
                raise UsageError(f"--precision {self.precision}: {form} has {' and '.join(known)}")

    def precision_of(self, form: str) -> str:
        """Return the precision of a format."""
        return self.precision or EXPORT_PRECISIONS[form][0]


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of it.

    Attributes:
        folders: where each format lies.
        compared: how each way of decoding did on the clips.
        unread: formats that were not compared, as the programs that read them are not installed.
    """

    folders: Mapping[str, Path]
    compared: Sequence[Compared]
    unread: Sequence[str]


def export(
    job: ExportJob,
    out_dir: Path,
    *,
    stop: StopRequest,
    progress_for: Callable[[str], Progress],
) -> Exported:
    """Write every format into ``out_dir`` and compare it with the adapter.

    Raises:
        UsageError: a format is there already, or such a strength does not exist.
        DataError: the adapter is of another base, damaged, or was never trained.
        EnvironmentProblem: a package is missing, or a format writes other words than the adapter;
            it is left for a look under the name it is built under, ``FORMAT.part``.
        Stopped: a signal came; started again, it begins anew.
    """
    folders = {form: out_dir / form for form in job.forms}
    for folder in folders.values():
        if folder.exists():
            raise UsageError(f"{folder}: is there already; move it, or use another --out")
    if "ct2" in job.forms:
        require_package("ctranslate2", "export")
    card = at_strength(read_card(job.adapter), job.strength)
    check_base(job.adapter, card, job.weights.name, job.weights.sha256)
    check_languages(job.weights, job.clips)
    base = load_base(job.weights, pick_device(job.device))
    model = with_adapter(base, job.adapter, job.strength)
    parts = {form: out_dir / f"{form}.part" for form in job.forms}
    show = progress_for("writing")
    for number, (form, part) in enumerate(parts.items(), start=1):
        stop.check()
        write_format(form, job.precision_of(form), model, part)
        show(number, len(parts))
    unread = [form for form in job.forms if job.clips and lacks_reader(form)]
    read = {form: part for form, part in parts.items() if form not in unread}
    compared: list[Compared] = []
    if job.clips:
        normalise = get_normaliser(job.normaliser).function
        compared = compare(model, read, job.clips, normalise, stop, progress_for)
    strange = {each.name: each for each in compared if each.name in parts and is_strange(each)}
    for form, part in parts.items():
        write_json(part / RECORD_NAME, record(job, card, form, part, compared))
        if form not in strange:
            publish(part, folders[form])
    if strange:
        form, each = next(iter(strange.items()))
        raise EnvironmentProblem(describe_strange(each, parts[form]))
    return Exported(folders, compared, unread)


def write_format(form: str, precision: str, model: SpeechModel, folder: Path) -> None:
    """Write one format into a folder, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if form == "hf":
        write_folder(model, folder, torch.float16 if precision == "float16" else torch.float32)
    elif form == "ggml":
        write_ggml(model, folder / f"ggml-{model.name}.bin")
    else:
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as whole:
            write_folder(model, Path(whole), torch.float32)
            convert(Path(whole), folder, precision)


def publish(part: Path, folder: Path) -> None:
    """Give a format its name, once all of it is on the disk."""
    for path in (*part.iterdir(), part):
        flush(path)
    part.rename(folder)


def is_strange(each: Compared) -> bool:
    """Whether a format writes other words than the adapter does in the same window."""
    if each.changed is None:
        return False
    rate = each.changed.rate
    return (each.changed.errors if rate is None else rate) > MOST_CHANGED


def describe_strange(each: Compared, part: Path) -> str:
    """Say what a strange format did and where it lies."""
    changed = each.changed or ErrorCounts()
    return (
        f"{each.name}: {changed.errors} of {changed.reference_length} words differ from what the "
        f"adapter writes in the same window; do not deploy it. It lies in {part} for a look. "
        "Releases of its packages that do not fit together may be why: asr-adapt doctor"
    )


def record(
    job: ExportJob, card: AdapterCard, form: str, folder: Path, compared: Sequence[Compared]
) -> dict[str, Any]:
    """Return what a format was made of, as JSON."""
    files = sorted(path for path in folder.iterdir() if path.name != RECORD_NAME)
    return {
        "kind": "asr-adapt export",
        "format": form,
        "precision": job.precision_of(form),
        "base": {"name": card.base_name, "sha256": card.base_sha256},
        "adapter": {"weights_sha256": card.weights_sha256, "strength": card.strength},
        "hears_silence": card.hears_silence,
        "prompt_template": card.prompt_template,
        "files": {path.name: file_sha256(path) for path in files},
        "normaliser": job.normaliser,
        "compared": [compared_record(each) for each in compared],
        "versions": package_versions(),
        "command": list(job.command),
    }


def compared_record(each: Compared) -> dict[str, Any]:
    """Return one way of decoding as JSON; rates are fractions."""
    changed = each.changed
    return {
        "name": each.name,
        "wer": each.errors.rate,
        "errors": asdict(each.errors),
        "words_changed": changed.rate if changed else None,
        "same_clips": each.same,
        "clips": each.clips,
    }
