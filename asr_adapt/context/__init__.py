"""Telling the recogniser what is known: lists, prompts, boosted phrases, and the search for how.

`bias` has lists and prompts, `phrase_tree` and `boosting` the bonus on listed phrases, `strategies`
and `retrieval` choose what is told, `telling` tells it, and `tune_bias` finds out what works best.
"""
