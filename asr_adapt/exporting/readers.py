"""What the programs that read exported models make of a sound: greedily, in the full window.

As they are deployed: with their own features, search and barred tokens, and with no prompt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import logging as transformers_logging

from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.environment import is_installed
from asr_adapt.model import SpeechModel, decoder_start, load_base, mel_features
from asr_adapt.token_cap import token_cap
from asr_adapt.window import MAX_FRAMES, SAMPLE_RATE_HZ

Reader = Callable[[NDArray[np.float32], str], str]
"""Takes a sound at 16 kHz and its language, returns the text."""


def transformers_reader(folder: Path, model: SpeechModel) -> Reader:
    """Read with transformers' own ``generate``."""
    stored = load_base(ResolvedWeights(model.name, folder, "directory", ""), model.device)
    multilingual = bool(stored.whisper.generation_config.is_multilingual)

    def read(sound: NDArray[np.float32], language: str) -> str:
        told: dict[str, Any] = {"language": language, "task": "transcribe"} if multilingual else {}
        seconds = len(sound) / SAMPLE_RATE_HZ
        with torch.inference_mode(), quiet_transformers():
            ids = stored.whisper.generate(
                mel_features(stored, [sound], MAX_FRAMES).to(stored.device),
                max_length=token_cap(seconds, language),  # to which it adds its first tokens
                **told,
            )
        return text_of(stored, ids[0].tolist())

    return read


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Leave out what transformers 5 says of how its Whisper calls its own generation."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def ct2_reader(folder: Path, model: SpeechModel) -> Reader:
    """Read with CTranslate2, which is what faster-whisper reads with, on the processor."""
    import ctranslate2

    threads = torch.get_num_threads()
    ctranslate2.set_log_level(logging.ERROR)  # else it says that processors widen float16
    whisper = ctranslate2.models.Whisper(str(folder), device="cpu", intra_threads=threads)

    def read(sound: NDArray[np.float32], language: str) -> str:
        features = mel_features(model, [sound], MAX_FRAMES).numpy()
        start = decoder_start(model, language)
        (found,) = whisper.generate(
            ctranslate2.StorageView.from_array(features),
            [start],
            beam_size=1,
            max_length=len(start) + token_cap(len(sound) / SAMPLE_RATE_HZ, language),
        )
        return text_of(model, found.sequences_ids[0])

    return read


def ggml_reader(folder: Path, model: SpeechModel) -> Reader:
    """Read with whisper.cpp."""
    from pywhispercpp.model import Model

    (path,) = folder.glob("*.bin")
    whisper = Model(
        str(path),
        n_threads=torch.get_num_threads(),
        redirect_whispercpp_logs_to=None,
        print_progress=False,
        print_realtime=False,
        no_context=True,
        no_timestamps=True,
        single_segment=True,
        temperature_inc=0.0,  # no second try by chance
        suppress_blank=not model.hears_silence,
    )

    def read(sound: NDArray[np.float32], language: str) -> str:
        said = whisper.transcribe(sound, language=language)
        return " ".join(" ".join(part.text for part in said).split())

    return read


def text_of(model: SpeechModel, tokens: Sequence[int]) -> str:
    """Return the text of tokens."""
    text: str = model.tokenizer.decode(tokens, skip_special_tokens=True)
    return text.strip()


READERS: dict[str, Callable[[Path, SpeechModel], Reader]] = {
    "hf": transformers_reader,
    "ct2": ct2_reader,
    "ggml": ggml_reader,
}
NEEDS = {"ct2": "ctranslate2", "ggml": "pywhispercpp"}
"""The package that reads a format."""


def lacks_reader(form: str) -> bool:
    """Whether the program that reads a format is not installed."""
    return form in NEEDS and not is_installed(NEEDS[form])
