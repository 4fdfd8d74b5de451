# Made from specs/translator.yaml; make it again: tgen build specs/translator.yaml
"""translator: an encoder-decoder transformer with 3 + 3 layers and 1.63 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
