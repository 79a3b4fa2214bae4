"""Radio calls spoken by synthetic voices: what the maritime, air and dispatch recipes share.

A recipe brings tables of frames and names and a `Grammar`; here they become calls (`calls`), are
spoken, sent over the recipe's channel and written as manifests (`data`), together with lines of
real voices (`real_lines`). Imported by recipes only.
"""
