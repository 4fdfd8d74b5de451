# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""unet: a network that segments images of 256 x 256 pixels, with 31 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
