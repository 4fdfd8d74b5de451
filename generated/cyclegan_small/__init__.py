# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""cyclegan_small: two generators of 1.37 M parameters each, one that makes a picture of another
and one that leads back, and two discriminators of 167 k.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
