"""Readers of the formats that people have; each turns one format into rows of one kind."""
