# Made from specs/dcgan.yaml; make it again: tgen build specs/dcgan.yaml
"""dcgan: a generator of 3.58 M parameters that makes images of 64 x 64 pixels, and a
discriminator of 2.77 M.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
