"""Write a report for TensorBoard: ``OUT/tensorboard``, an event file that replaces earlier ones.

Tables become markdown texts, figures scalars, sounds audio; all at step 0. Written with the package
``tensorboard`` alone, without torch or TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr_adapt.audio import SAMPLE_RATE_HZ
from asr_adapt.reporting.markdown import escape
from asr_adapt.reporting.trackers.logged import Logged, Sound, Table

FOLDER = "tensorboard"
EVENT_FILES = "events.out.tfevents.*"
WAV_HEADER_BYTES = 44
"""Of a canonical wav file, which clips are (Microsoft and IBM 1991, RIFF specification)."""


def write(logged: Logged, out_dir: Path) -> str:
    """Write everything; returns how to look at it."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder = out_dir / FOLDER
    earlier = list(folder.glob(EVENT_FILES))
    writer = EventFileWriter(str(folder))
    for summary in _summaries(logged):
        writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()
    for path in earlier:
        path.unlink()
    return f"tensorboard --logdir {folder}"


def _summaries(logged: Logged) -> Iterator[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb

    for table in logged.tables:
        yield text_pb(f"{table.name}/text", markdown(table))
    facts = (f"- {name}: {escape(text)}" for name, text in logged.facts.items())
    yield text_pb("about/text", "\n".join([escape(logged.title), "", *facts]))
    for name, value in logged.figures.items():
        yield Summary(value=[Summary.Value(tag=name, simple_value=value)])
    for sound in logged.sounds:
        value = Summary.Value(tag=f"sounds/{sound.label}", audio=_audio(sound))
        yield Summary(value=[value])


def _audio(sound: Sound) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Audio(
        sample_rate=SAMPLE_RATE_HZ,
        num_channels=1,
        length_frames=(len(sound.wav) - WAV_HEADER_BYTES) // 2,
        encoded_audio_string=sound.wav,
        content_type="audio/wav",
    )


def markdown(table: Table) -> str:
    """Return a table as markdown; what the data could mean as markup is escaped."""
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    ruler = 1
    return "\n".join(
        "| " + " | ".join(str(c) if i == ruler else _shown(c) for c in line) + " |"
        for i, line in enumerate(lines)
    )


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return "" if cell is None else escape(str(cell))
