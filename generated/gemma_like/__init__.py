# Made from specs/gemma_like.yaml; make it again: tgen build specs/gemma_like.yaml
"""gemma_like: a decoder-only transformer with 18 layers and 307 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
