# Made from specs/gemma_like.yaml (474c7fea8f13); make it again: tgen build specs/gemma_like.yaml
"""gemma_like: a decoder-only transformer with 18 layers and 307 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
