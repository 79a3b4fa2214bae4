"""Averaged weights: of the last candidates of a run, or of adapters that were trained apart.

Reads the folders of LoRA candidates, writes a folder like theirs. Refuses candidates whose tensors
do not match.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from asr_adapt.adapter import weight_file
from asr_adapt.errors import DataError
from asr_adapt.files import put_in_place, write_whole


def average_weights(candidates: Sequence[Path], out: Path) -> None:
    """Write the mean of the trained tensors of several candidates of one run.

    Every tensor is averaged by itself, A and B of a LoRA layer too, as stochastic weight averaging
    does with whatever is trained (Izmailov et al. 2018, https://arxiv.org/abs/1803.05407; for
    models fine-tuned apart, Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). Mean(B) times
    mean(A) is not the mean of the products BA: it lacks the mean of (B - mean B)(A - mean A). That
    is of second order in how far the candidates lie apart, so it is small for neighbours on one
    path and large for adapters trained from different seeds, for which this is not meant.

    Sums are taken in double precision in the order given, so the same files give the same bytes.

    Args:
        candidates: adapter folders, at least one; the last one's configuration is copied.
        out: the folder to write; replaced if it is there.

    Raises:
        DataError: the candidates have other tensors.
    """
    loaded = _load_alike(candidates)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    newest = candidates[-1]
    shutil.copyfile(newest / "adapter_config.json", out / "adapter_config.json")
    means = {name: _mean([each[name] for each in loaded]) for name in loaded[-1]}
    save_file(means, out / weight_file(newest).name, metadata={"format": "pt"})


def average_changes(adapters: Sequence[Path], out: Path) -> None:
    """Write one LoRA whose change is the mean of the changes of several, however far apart.

    All A stand beneath each other and all B side by side, so that their product is the sum of the
    products. LoRA scales it by alpha / rank: with alpha as it was and as many times the rank as
    there are adapters, that is the mean, and nothing is rounded.

    Args:
        adapters: folders of plain LoRA of the same shape, at least one.
        out: the folder to write; the same adapters give the same bytes, so that what was decoded
            of it before and lies there stays true.

    Raises:
        DataError: the adapters have other tensors.
    """
    loaded = _load_alike(adapters)
    out.mkdir(parents=True, exist_ok=True)
    config = json.loads((adapters[0] / "adapter_config.json").read_text(encoding="utf-8"))
    config["r"] *= len(adapters)
    write_whole(out / "adapter_config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    joined = {
        name: torch.cat([each[name] for each in loaded], dim=0 if "lora_A" in name else 1)
        for name in loaded[0]
    }
    name = weight_file(adapters[0]).name
    part = out / f"{name}.part"
    save_file(joined, part, metadata={"format": "pt"})
    put_in_place(part, out / name)


def _load_alike(candidates: Sequence[Path]) -> list[dict[str, torch.Tensor]]:
    loaded = [load_file(weight_file(folder)) for folder in candidates]
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in loaded]
    for folder, each in zip(candidates, shapes, strict=True):
        if each != shapes[0]:
            raise DataError(f"{folder}: its tensors are not those of {candidates[0]}")
    return loaded


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    total = torch.stack([tensor.double() for tensor in tensors]).mean(dim=0)
    return total.to(tensors[0].dtype).contiguous()
