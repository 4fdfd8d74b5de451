# Made from specs/translation_transformer.yaml; make it again with tgen build
"""translation_transformer: an encoder-decoder transformer with 3 + 3 layers and 1.89 M
parameters.
"""

from .model import Config, Model

__all__ = ["Config", "Model"]
