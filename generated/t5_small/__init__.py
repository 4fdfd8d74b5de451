# Made from specs/t5_small.yaml; make it again: tgen build specs/t5_small.yaml
"""t5_small: an encoder-decoder transformer with 6 + 6 layers and 60.5 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
