# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""vit_b16: a vision transformer with 12 layers and 86.6 M parameters, for image classification."""

from .model import Config, Model

__all__ = ["Config", "Model"]
