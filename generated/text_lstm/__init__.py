# Made from specs/text_lstm.yaml; make it again: tgen build specs/text_lstm.yaml
"""text_lstm: a classifier of texts of 1 LSTM layer with 216 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
