# Made from specs/lstm_char.yaml; make it again: tgen build specs/lstm_char.yaml
"""lstm_char: a language model of 2 LSTM layers with 1.07 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
