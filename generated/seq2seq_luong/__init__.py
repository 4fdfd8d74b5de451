# Made from specs/seq2seq_luong.yaml; make it again: tgen build specs/seq2seq_luong.yaml
"""seq2seq_luong: an encoder-decoder of 1 + 1 GRU layers with 1.47 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
