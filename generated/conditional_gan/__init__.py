# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""conditional_gan: a generator of 848 k parameters that makes images of 28 x 28 pixels, and a
discriminator of 147 k.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
