"""``asr-adapt doctor``: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import sys

import click

from asr_adapt.cli.common import EXIT_CODES


@click.command(epilog=EXIT_CODES)
def doctor() -> None:
    """Check versions, weights, decode back ends, threads and device, with advice."""
    from asr_adapt.doctor import diagnose, render_findings

    findings = diagnose()
    click.echo(render_findings(findings))
    if any(f.status == "problem" for f in findings):
        sys.exit(4)
