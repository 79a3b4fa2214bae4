"""Averaged weights: one more candidate, made of the last ones of a run.

Reads the folders of LoRA candidates, writes a folder like theirs. Refuses candidates whose tensors
do not match.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from asr_adapt.adapter import weight_file
from asr_adapt.errors import DataError


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
    loaded = [load_file(weight_file(folder)) for folder in candidates]
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in loaded]
    for folder, each in zip(candidates, shapes, strict=True):
        if each != shapes[0]:
            raise DataError(f"{folder}: its tensors are not those of {candidates[0]}")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    newest = candidates[-1]
    shutil.copyfile(newest / "adapter_config.json", out / "adapter_config.json")
    means = {name: _mean([each[name] for each in loaded]) for name in loaded[-1]}
    save_file(means, out / weight_file(newest).name, metadata={"format": "pt"})


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    total = torch.stack([tensor.double() for tensor in tensors]).mean(dim=0)
    return total.to(tensors[0].dtype).contiguous()
