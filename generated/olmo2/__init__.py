# Made from specs/olmo2.yaml; make it again: tgen build specs/olmo2.yaml
"""olmo2: a decoder-only transformer with 16 layers and 1.48 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
