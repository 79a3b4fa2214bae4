"""The results of a report in the formats of other tools, one small file for each format."""
