# Made from specs/wgan_gp_fashion.yaml; make it again: tgen build specs/wgan_gp_fashion.yaml
"""wgan_gp_fashion: a generator of 534 k parameters that makes images of 28 x 28 pixels, and a
discriminator of 139 k.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
