# Made from specs/longformer_like.yaml (526ffa9fcac7); make it again with tgen build
"""longformer_like: a decoder-only transformer with 12 layers and 127 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
