# Made from specs/resnet50.yaml; make it again: tgen build specs/resnet50.yaml
"""resnet50: a network that classifies images of 224 x 224 pixels, with 25.6 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
