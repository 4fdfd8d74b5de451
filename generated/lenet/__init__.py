# Made from specs/lenet.yaml; make it again: tgen build specs/lenet.yaml
"""lenet: a network that classifies images of 28 x 28 pixels, with 61.7 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
