# Made from specs/gru_char.yaml; make it again: tgen build specs/gru_char.yaml
"""gru_char: a language model of 2 GRU layers with 806 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
