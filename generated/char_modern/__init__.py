# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""char_modern: a decoder-only transformer with 4 layers and 803 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
