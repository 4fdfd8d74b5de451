# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""bart_base: an encoder-decoder transformer with 6 + 6 layers and 139 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
