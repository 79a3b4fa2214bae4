"""Tests, and the writers they share."""
