# Made from specs/seq2seq_gru.yaml; make it again: tgen build specs/seq2seq_gru.yaml
"""seq2seq_gru: an encoder-decoder of 1 + 1 GRU layers with 2.43 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
