# Made from specs/gemma3.yaml; make it again: tgen build specs/gemma3.yaml
"""gemma3: a decoder-only transformer with 26 layers and 1 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
