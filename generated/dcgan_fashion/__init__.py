# Made from specs/dcgan_fashion.yaml; make it again: tgen build specs/dcgan_fashion.yaml
"""dcgan_fashion: a generator of 243 k parameters that makes images of 28 x 28 pixels, and a
discriminator of 435 k.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
