# Made from specs/llama_3_2_1b.yaml; make it again: tgen build specs/llama_3_2_1b.yaml
"""llama_3_2_1b: a decoder-only transformer with 16 layers and 1.24 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
