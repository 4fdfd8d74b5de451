# Made from specs/llama.yaml; make it again: tgen build specs/llama.yaml
"""llama: a decoder-only transformer with 16 layers and 1.24 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
