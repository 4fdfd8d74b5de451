# Made from specs/convnext_tiny.yaml; make it again: tgen build specs/convnext_tiny.yaml
"""convnext_tiny: a network that classifies images of 224 x 224 pixels, with 28.6 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
