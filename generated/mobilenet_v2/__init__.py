# Made from specs/mobilenet_v2.yaml; make it again: tgen build specs/mobilenet_v2.yaml
"""mobilenet_v2: a network that classifies images of 224 x 224 pixels, with 3.5 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
