"""Adapting without transcripts: labels by agreement, clips worth labelling, spoken text."""
