# Made from specs/bert_base.yaml; make it again: tgen build specs/bert_base.yaml
"""bert_base: a bidirectional transformer encoder with 12 layers and 110 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
