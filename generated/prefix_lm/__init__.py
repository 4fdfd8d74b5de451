# Made from specs/prefix_lm.yaml; make it again: tgen build specs/prefix_lm.yaml
"""prefix_lm: a decoder-only transformer with 12 layers and 110 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
