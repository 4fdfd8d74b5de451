# Made from specs/mixtral.yaml; make it again: tgen build specs/mixtral.yaml
"""mixtral: a decoder-only transformer with 32 layers and 46.7 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
