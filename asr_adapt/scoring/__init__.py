"""From texts to scores: aligned words, terms, entities, loops, and intervals; no torch here."""
