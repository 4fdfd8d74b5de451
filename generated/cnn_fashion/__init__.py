# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""cnn_fashion: a network that classifies images of 28 x 28 pixels, with 422 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
