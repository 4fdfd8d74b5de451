# Made from specs/gpt2.yaml; make it again: tgen build specs/gpt2.yaml
"""gpt2: a decoder-only transformer with 12 layers and 124 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
