"""``asr-adapt doctor``: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from asr_adapt.cli.common import EXIT_CODES, Output, working
from asr_adapt.cli.options import output_options


@click.command(epilog=EXIT_CODES)
@output_options
def doctor(output: Output) -> None:
    """Say what works on this machine, and what to do about what does not.

    Checks versions, weights, decoding, threads, device, audio, voice detection and the programs
    that recipes call. Exit code 4 if there is a problem that stops commands from working.

    \b
    asr-adapt doctor
    """
    with working(output):
        from asr_adapt.doctor import diagnose
        from asr_adapt.findings import render_findings

        findings = diagnose()
    output.result({"findings": [asdict(f) for f in findings]}, render_findings(findings))
    if any(f.status == "problem" for f in findings):
        sys.exit(4)
