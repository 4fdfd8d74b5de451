# Made from specs/pix2pix.yaml; make it again: tgen build specs/pix2pix.yaml
"""pix2pix: a generator of 54.4 M parameters that makes a picture of another, and a discriminator
of 2.77 M.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
