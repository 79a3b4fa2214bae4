"""Speech that can be installed: Debian packages of recorded speech read into utterances.

Each module reads one source into ``Utterance`` rows; ``debian`` fetches the packages.
"""
