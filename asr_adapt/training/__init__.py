"""From utterances and a base model to an adapter: batches, the loop, and the choice of the step."""
