"""``python -m asr_adapt``."""

from asr_adapt.cli import main

main()
