"""Data of a recipe of radio calls: spoken by synthetic voices, and real voices over the same radio.

Fetches Debian packages, has calls spoken and writes ``train``, ``dev``, ``test``, ``real``,
``general`` and ``silence`` (nobody speaks) as ``.jsonl`` with the audio beside them, and the names
that all splits have as ``places.txt``. Speech to train on is stored clean (tag ``channel=clean``:
training sends it over the channel anew in each epoch) or is to stay clean (``channel=none``); what
is scored, and the silence among what is trained on, has gone over a channel once. The same size and
seed give the same bytes on the same kind of processor.
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asr_adapt.audio import load_audio, probe_audio, write_flac
from asr_adapt.files import write_whole
from asr_adapt.manifest import write_manifest
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import Utterance
from asr_adapt.sources import fotaq, sky
from asr_adapt.sources.prepared import is_prepared, note_prepared
from asr_adapt.spoken_calls import everyday
from asr_adapt.spoken_calls.calls import SPLITS, Call, Grammar, Lexicon, make_calls
from asr_adapt.spoken_calls.real_lines import read_real_lines, read_second_cast
from asr_adapt.voices import SpeechRequest, find_voice, say_files

REAL_SETS = ("real_train", "real_dev", "real", "general", "general_dev")
PROCESSES = 2

VOICES: Mapping[str, Mapping[str, int]] = {
    "train": {
        "flite-awb": 30,
        "flite-rms": 25,
        "flite-slt": 20,
        "piper-joe": 30,
        "kokoro-alpha": 1,
        "kokoro-gongitsune": 1,
        "kokoro-alpha-gongitsune": 1,
    },
    "dev": {"flite-kal16": 60, "kokoro-tebukuro": 5},
    "test": {
        "hibari-heart": 10,
        "hibari-alto": 10,
        "hibari-tenor": 10,
        "kokoro-kumo": 1,
        "kokoro-nezumi": 1,
        "kokoro-kumo-nezumi": 1,
    },
}
"""Voices of each split, with weights; no voice is in two of them. The test set has those that a
listener understands: what a voice garbles, no arm can get right. Over a radio at 20 dB whisper-base
reads 13 % of hibari's words wrongly, 17 to 21 % of the Kokoro styles', 26 to 31 % of piper-joe's,
flite-awb's and flite-rms's, and 44 % of flite-slt's, which loses most in a radio's band alone."""

PITCHES_SEMITONES: Mapping[str, tuple[int, ...]] = {
    "train": (-2, -1, 0, 1, 2),
    "dev": (-1, 0, 1),
    "test": (-1, 0, 1),
}
"""Each makes a speaker of its own of a voice: pitch and vocal tract change by 6 % a semitone, about
as they differ among people. What is scored stays within that: two semitones on top of the tract
that a voice has make a throat that nobody has, and half as many errors again in every arm."""
SPEEDS = (0.95, 1.25)
KEYING_S = (0.05, 0.4)
"""Silence between pressing the key and speaking, and between speaking and letting go."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many utterances of each kind, and by how much more often Kokoro speaks.

    Its speech is the most natural and the slowest to make, 5 s a call where others take half of
    one. So it speaks a third of the training calls at full size, none of the demo's, and few of
    what a demo is measured on. ``second_cast`` are lines of other actors to train on, for which a
    demo has no time.
    """

    train: int
    dev: int
    test: int
    real_train: int
    second_cast: int
    real_dev: int
    real: int
    general: int
    general_dev: int
    everyday: int
    everyday_dev: int
    silence_train: int
    silence_dev: int
    silence: int
    kokoro_train: int
    kokoro_scored: int


SIZES = {
    "demo": Size(
        train=480,
        dev=30,
        test=100,
        real_train=1000,
        second_cast=0,
        real_dev=20,
        real=200,
        general=200,
        general_dev=40,
        everyday=80,
        everyday_dev=20,
        silence_train=80,
        silence_dev=40,
        silence=20,
        kokoro_train=0,
        kokoro_scored=1,
    ),
    "full": Size(
        train=2400,
        dev=60,
        test=200,
        real_train=1400,
        second_cast=1500,
        real_dev=30,
        real=300,
        general=1240,
        general_dev=120,
        everyday=200,
        everyday_dev=40,
        silence_train=200,
        silence_dev=60,
        silence=40,
        kokoro_train=18,
        kokoro_scored=8,
    ),
}


@dataclass(frozen=True, slots=True)
class Radio:
    """A channel and how good its links are: see `asr_adapt.links`.

    Attributes:
        channel: its name.
        cnr_db: lowest and highest carrier-to-noise ratio in dB, uniform.
    """

    channel: str
    cnr_db: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Domain:
    """A recipe of radio calls.

    Attributes:
        name: of the recipe.
        version: raised when the same counts, voices and seed give other data than before.
        folder: where its tables lie.
        grammar: how the trade speaks.
        read_lexicons: reads the tables of the folder, to frames and names by split.
        voices: voices of each split, with weights.
        sizes: how much of everything, by name.
        radio: what everything scored is sent over.
        other_radios: further sets made of the test calls, by name, each over a radio of its own.
    """

    name: str
    version: int
    folder: Path
    grammar: Grammar
    read_lexicons: Callable[[Path], dict[str, Lexicon]]
    voices: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, Size]
    radio: Radio
    other_radios: Mapping[str, Radio]


@dataclass(frozen=True, slots=True)
class Plan:
    """A call and how it is to be spoken; the path of the request is a name only."""

    utterance_id: str
    call: Call
    request: SpeechRequest


def prepare_domain(domain: Domain, cache_dir: Path, out_dir: Path, size: str, seed: int) -> None:
    """Make the data, unless it is there; audio made before an interruption is kept.

    Args:
        domain: what is said, by whom, over which radio.
        cache_dir: where packages, programs and models are kept.
        out_dir: gets the manifests, the folder ``audio`` and ``prepared.json``.
        size: a key of ``domain.sizes``.
        seed: of all that is drawn.

    Raises:
        EnvironmentProblem: a package cannot be had.
        DataError: a table or package is not what it should be.
    """
    settings = _settings(domain, size, seed)
    with ProgressDisplay() as display:
        if is_prepared(out_dir, settings):
            display.say(f"{out_dir}: ready")
            return
        lexicons = domain.read_lexicons(domain.folder)
        sets = make_sets(domain, lexicons, domain.sizes[size], seed, (cache_dir, out_dir), display)
        for name, rows in sets.items():
            write_manifest(out_dir / name, rows)
            minutes = sum(row.duration_s for row in rows) / 60
            display.say(f"{name}: {len(rows)} utterances, {minutes:.1f} minutes")
        tidy(out_dir, [row.audio_path for rows in sets.values() for row in rows])
        places = lexicons["train"].known_names()
        write_whole(out_dir / "places.txt", "".join(f"{name}\n" for name in places))
        note_prepared(out_dir, settings, sets)


def _settings(domain: Domain, size: str, seed: int) -> dict[str, Any]:
    tables = _digest(*(path.read_bytes() for path in sorted(domain.folder.glob("*.tsv"))))
    return {
        "recipe": domain.name,
        "version": domain.version,
        "size": size,
        "seed": seed,
        "tables": tables,
        "counts": asdict(domain.sizes[size]),
        "voices": domain.voices,
    }


def make_sets(
    domain: Domain,
    lexicons: Mapping[str, Lexicon],
    size: Size,
    seed: int,
    folders: tuple[Path, Path],
    display: ProgressDisplay,
) -> dict[str, list[Utterance]]:
    """Make the audio of all sets and return their rows by name of manifest.

    Args:
        domain: what is said, by whom, over which radio.
        lexicons: frames and names by split.
        size: how many of everything.
        seed: of all that is drawn.
        folders: the package cache and the data folder.
        display: told how far things are.
    """
    cache_dir, out_dir = folders
    lines = draw_real_voices(lexicons, size, seed, cache_dir, display)
    counts = {"train": size.train, "dev": size.dev, "test": size.test}
    plans = {}
    for split in SPLITS:
        spliced = domain.grammar.spliced_share if split == "train" else 0.0
        made = make_calls(lexicons[split], domain.grammar, counts[split], seed, spliced)
        plans[split] = plan_calls(domain, split, made, size, seed)
    speakers = everyday.VOICES if size.kokoro_train else everyday.QUICK_VOICES
    clean = out_dir / "clean"
    sentences = [
        *everyday.requests(clean, everyday.SENTENCES, size.everyday, speakers),
        *everyday.requests(clean, everyday.DEV_SENTENCES, size.everyday_dev, everyday.DEV_VOICES),
    ]
    calls, clear = speak(plans, sentences, cache_dir, out_dir, display)
    scored = {
        "dev.jsonl": ([*calls["dev"], *lines["real_dev"]], domain.radio),
        "test.jsonl": (calls["test"], domain.radio),
        "real.jsonl": (lines["real"], domain.radio),
    }
    for name, radio in domain.other_radios.items():
        rows = [replace(r, utterance_id=f"{name}-{r.utterance_id}") for r in calls["test"]]
        scored[f"{name}.jsonl"] = (rows, radio)
    synthetic = [_keep(row, out_dir, "clean") for row in calls["train"]]
    sets = {
        "calls.jsonl": synthetic,
        "train.jsonl": [*synthetic, *(_keep(r, out_dir, "clean") for r in lines["real_train"])],
        "general.jsonl": [
            _keep(row, out_dir, "none")
            for row in [*lines["general"], *lines["general_dev"], *clear]
        ],
    }
    source = (seed, domain.version)
    for name, (rows, radio) in scored.items():
        progress = display.start(f"radio for {name}")
        sets[name] = send_over_radio(rows, radio, out_dir, source, progress)
    quiet = partial(_silence, domain.radio, out_dir, source, display)
    sets["train.jsonl"] += quiet("train-silence", size.silence_train)
    sets["dev.jsonl"] += quiet("dev-silence", size.silence_dev)
    sets["silence.jsonl"] = quiet("silence", size.silence)
    return sets


def draw_real_voices(
    lexicons: Mapping[str, Lexicon],
    size: Size,
    seed: int,
    cache_dir: Path,
    display: ProgressDisplay,
) -> dict[str, list[Utterance]]:
    """Draw the lines of `REAL_SETS`; those of the second game stand among ``real_train``."""
    unheard = [name for split in ("dev", "test") for name in lexicons[split].unheard_names()]
    display.say(f"Debian {fotaq.PACKAGE}: {fotaq.CREDIT}")
    counts = {set_name: getattr(size, set_name) for set_name in REAL_SETS}
    progress = display.start("reading real voices")
    lines = read_real_lines(cache_dir, unheard, counts, seed, progress)
    if size.second_cast:
        display.say(f"Debian {sky.PACKAGE}: {sky.CREDIT}")
        progress = display.start("reading more real voices")
        others = read_second_cast(cache_dir, unheard, size.second_cast, seed, progress)
        lines["real_train"] = [*lines["real_train"], *others]
    return lines


def plan_calls(
    domain: Domain, split: str, calls: Sequence[Call], size: Size, seed: int
) -> list[Plan]:
    """Draw who speaks each call, how fast and how high."""
    kokoro = size.kokoro_train if split == "train" else size.kokoro_scored
    weights = {
        voice: weight * (kokoro if voice.startswith("kokoro") else 1)
        for voice, weight in domain.voices[split].items()
    }
    share = np.array(list(weights.values())) / sum(weights.values())
    plans = []
    for index, call in enumerate(calls):
        rng = np.random.default_rng((seed, SPLITS.index(split), index))
        voice = list(weights)[rng.choice(len(share), p=share)]
        pitch = int(rng.choice(PITCHES_SEMITONES[split]))
        speed = round(float(rng.uniform(*SPEEDS)), 3)
        lead_s, tail_s = (round(float(s), 3) for s in rng.uniform(*KEYING_S, size=2))
        name = _digest(voice, call.spoken, pitch, speed, lead_s, tail_s, index)
        request = SpeechRequest(
            path=Path(f"{name}.flac"),
            voice=find_voice(voice),
            text=call.spoken,
            speed=speed,
            pitch_semitones=pitch,
            seed=index,
            lead_s=lead_s,
            tail_s=tail_s,
        )
        plans.append(Plan(f"{split}-{index:04d}", call, request))
    return plans


def speak(
    plans: Mapping[str, Sequence[Plan]],
    sentences: Sequence[SpeechRequest],
    cache_dir: Path,
    out_dir: Path,
    display: ProgressDisplay,
) -> tuple[dict[str, list[Utterance]], list[Utterance]]:
    """Have everything spoken into ``out_dir/clean``.

    Returns:
        The rows of the calls by split, and those of the everyday sentences.
    """
    voices = {plan.request.voice for split in plans.values() for plan in split}
    for terms in sorted({f"{voice.source}: {voice.licence}" for voice in voices}):
        display.say(terms)
    order = [plan for split in plans.values() for plan in split]
    requests = [replace(p.request, path=out_dir / "clean" / p.request.path) for p in order]
    progress = display.start("speaking calls and everyday sentences")
    durations = say_files([*requests, *sentences], cache_dir, PROCESSES, progress)
    spoken = {
        plan.utterance_id: _call_row(plan, request.path, duration_s)
        for plan, request, duration_s in zip(order, requests, durations[: len(order)], strict=True)
    }
    calls = {split: [spoken[p.utterance_id] for p in rows] for split, rows in plans.items()}
    heard = zip(sentences, durations[len(order) :], strict=True)
    return calls, [everyday.row(request, duration_s) for request, duration_s in heard]


def _call_row(plan: Plan, path: Path, duration_s: float) -> Utterance:
    voice, frame = plan.request.voice.name, plan.call.frame
    return Utterance(
        utterance_id=plan.utterance_id,
        audio_path=path,
        start_s=0.0,
        duration_s=duration_s,
        reference=plan.call.reference,
        speaker=plan.request.speaker,
        recording_id=plan.utterance_id,
        context=plan.call.context,
        tags={"set": "synthetic", "topic": frame.topic, "frame": frame.frame_id, "voice": voice},
    )


def send_over_radio(
    rows: Sequence[Utterance],
    radio: Radio,
    out_dir: Path,
    source: tuple[int, int],
    progress: Callable[[int, int], None],
) -> list[Utterance]:
    """Send each row over a radio link of its own and return the rows as received.

    Args:
        rows: with clean audio.
        radio: draws the links.
        out_dir: gets the received audio.
        source: seed, and version of the recipe.
        progress: told how many are done, of how many.
    """
    # Not at the top: the processes that speak import this file, and have no use for torch.
    from asr_adapt.links import draw_link, received

    seed, version = source
    arrived = []
    for done, row in enumerate(rows, start=1):
        name = _digest(row.utterance_id, row.audio_path.name, seed, version)
        path = out_dir / "audio" / f"{name}.flac"
        rng = np.random.default_rng((seed, 20, zlib.crc32(row.utterance_id.encode())))
        link = draw_link(radio.channel, rng, radio.cnr_db)
        if not path.exists():
            write_flac(path, received(link, load_audio(row.audio_path), int(rng.integers(2**31))))
        tags = {**row.tags, **link.tags}
        duration_s = probe_audio(path).duration_s
        arrived.append(replace(row, audio_path=path, duration_s=duration_s, tags=tags))
        progress(done, len(rows))
    return arrived


def _silence(
    radio: Radio,
    out_dir: Path,
    source: tuple[int, int],
    display: ProgressDisplay,
    name: str,
    count: int,
) -> list[Utterance]:
    # Not at the top: as in `send_over_radio`.
    from asr_adapt.spoken_calls.silence import make_silence

    progress = display.start("radio without speech")
    return make_silence((radio.channel, radio.cnr_db), name, count, out_dir, source, progress)


def tidy(out_dir: Path, wanted: Iterable[Path]) -> None:
    """Remove audio that no manifest names: speech on its way to the radio, earlier versions."""
    keep = {path.resolve() for path in wanted}
    shutil.rmtree(out_dir / "clean", ignore_errors=True)
    for path in (out_dir / "audio").iterdir():
        if path.resolve() not in keep:
            path.unlink()


def _keep(row: Utterance, out_dir: Path, channel: str) -> Utterance:
    """Put a row's audio among the data as it is."""
    path = out_dir / "audio" / row.audio_path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(row.audio_path, path)
    return replace(row, audio_path=path, tags={**row.tags, "channel": channel})


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
