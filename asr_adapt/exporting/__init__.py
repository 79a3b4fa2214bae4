"""The adapted model in the formats that people deploy, compared with what was measured."""
