# Made from specs/mistral.yaml; make it again: tgen build specs/mistral.yaml
"""mistral: a decoder-only transformer with 32 layers and 7.24 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
