"""Tasks whose trained models are used as a causal language model's: they go on with a text."""

DECODERS = ("causal-lm", "chat", "preference")
