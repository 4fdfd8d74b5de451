# Made from specs/longformer_like.yaml; make it again: tgen build specs/longformer_like.yaml
"""longformer_like: a decoder-only transformer with 12 layers and 127 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
