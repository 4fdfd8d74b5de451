# Made from specs/resnet18.yaml; make it again: tgen build specs/resnet18.yaml
"""resnet18: a network that classifies images of 224 x 224 pixels, with 11.7 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
