# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""modernbert: a bidirectional transformer encoder with 22 layers and 150 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
