# Made from specs/gpt.yaml; make it again: tgen build specs/gpt.yaml
"""gpt: a decoder-only transformer with 12 layers and 124 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
