# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""pix2pix_small: a generator of 1.81 M parameters that makes pictures of their edges, and a
discriminator of 167 k.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
