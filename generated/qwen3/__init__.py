# Made from specs/qwen3.yaml; make it again: tgen build specs/qwen3.yaml
"""qwen3: a decoder-only transformer with 28 layers and 596 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
