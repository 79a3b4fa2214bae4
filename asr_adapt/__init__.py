"""asr-adapt: adapt speech recognition to a noisy domain, and measure what it brings."""

__version__ = "0.1.0"
