"""Text in the form in which it is compared: normalisers, numbers, and what cannot be spoken."""
