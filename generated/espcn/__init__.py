# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""espcn: a network that enlarges pictures 3 times by their luminance, with 22.7 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
